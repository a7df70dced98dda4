"""
TypeScript without its types, and where every line came from.

The transformation prints the program anew, so lines move, and it gives no source map. The map is found by walking
both texts token by token: apart from types, which are left out of the walk, and a few constructs that TypeScript
expands (enums, namespaces, parameter properties), both have the same tokens in the same order. An expanded line
counts as the line before it.

The library compiles itself in every process that uses it, which takes the better part of a second. So what came out
is kept on disk, and the library is loaded only for a module that is not there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import tree_sitter_javascript
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from torpor.errors import ConfigurationError
from torpor.vm.cache_files import note_use, replace_file
from torpor.vm.cache_folders import default_directory, distrusted_folder, is_trusted_file

SUFFIXES = (".ts", ".mts")

_TYPESCRIPT = Language(tree_sitter_typescript.language_typescript())
_JAVASCRIPT = Language(tree_sitter_javascript.language())

_FORMAT = 1
"""Grows when this file gives another text, map or refusal for the same module, so that old entries are not taken."""

_WINDOW_TOKENS = 3
_SKIP_TOKENS_MAX = 4000

_TYPE_NODES = frozenset(
    {
        "type_annotation",
        "type_predicate_annotation",
        "asserts_annotation",
        "type_parameters",
        "type_arguments",
        "implements_clause",
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "function_signature",
        "method_signature",
        "abstract_method_signature",
        "index_signature",
        "accessibility_modifier",
        "override_modifier",
        "comment",
    }
)
_OPERAND_FIRST = frozenset(("as_expression", "satisfies_expression", "non_null_expression"))
_LAYOUT = frozenset(";,(){}[]?\"'`") | {"readonly", "declare", "abstract", "enum", "namespace"}
"""Tokens that printing or stripping adds and removes; they take no part in the walk."""

_NO_ES_MODULE = {
    "import_require_clause": "`import … = require(…)` is not an ES module import; write `import … from`",
    "export =": "`export =` is not an ES module export; write `export default`",
}


def strip_types(name: str, text: str) -> tuple[str, list[int]]:
    """
    Return a TypeScript module as JavaScript, and for each line of it the author's line, from 1.

    Args:
        name: the module's name, used in errors.
        text: what the author wrote.

    Raises:
        ConfigurationError: a syntax error, or something that only CommonJS has; names file and line.
    """
    path = _entry_path(name, text)
    kept = _kept(path)
    if kept is None:
        kept = _Stripped(*_strip(name, text))
        _keep(path, kept)
    return kept.text, kept.lines


class _Stripped(msgspec.Struct, frozen=True):
    text: str
    lines: list[int]


class _Entry(msgspec.Struct, frozen=True):
    """A file of the cache: what was made, and the SHA-256 of its JSON, since damage can leave valid JSON."""

    made: _Stripped
    sha256: str


def _entry_path(name: str, text: str) -> Path:
    key = msgspec.json.encode([_FORMAT, version("quickjs-rs"), name, text])
    return default_directory() / "typescript" / f"{hashlib.sha256(key).hexdigest()}.json"


def _kept(path: Path) -> _Stripped | None:
    if distrusted_folder(path.parent) or distrusted_folder(path.parent.parent) or not is_trusted_file(path):
        return None  # it becomes the code of workflows
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if entry.sha256 != _sha256(entry.made):
        return None
    note_use(path)
    return entry.made


def _keep(path: Path, made: _Stripped) -> None:
    with suppress(OSError):  # where nothing can be kept, the next process strips the module again
        replace_file(path, msgspec.json.encode(_Entry(made, _sha256(made))))


def _sha256(made: _Stripped) -> str:
    return hashlib.sha256(msgspec.json.encode(made)).hexdigest()


def _strip(name: str, text: str) -> tuple[str, list[int]]:
    tree = Parser(_TYPESCRIPT).parse(text.encode()).root_node
    _refuse_commonjs(name, tree)
    import quickjs_rs  # noqa: PLC0415  # most starts find every module on disk and do without

    try:
        stripped = str(quickjs_rs.transform_source(name, text))
    except RuntimeError as error:  # the class that it raises, TransformError, is not public
        detail = str(error).partition(f"{name}: ")[2] or str(error)
        raise ConfigurationError(f"{name}{_error_line(tree)}: TypeScript syntax error: {detail}") from error
    source = list(_tokens(tree))
    output = list(_tokens(Parser(_JAVASCRIPT).parse(stripped.encode()).root_node))
    return stripped, _line_map(source, output, stripped.count("\n") + 1)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    row: int


def _tokens(root: Node) -> Iterator[_Token]:
    """Yield the tokens that both texts have; a text of several lines yields one token for each of them."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in _TYPE_NODES or node.type in _LAYOUT or _is_erased(node):
            continue
        yield from _printed_before(node)
        children = node.children[:1] if node.type in _OPERAND_FIRST else node.children
        if children:
            stack.extend(reversed(children))
        elif node.text:
            for offset, line in enumerate(node.text.decode(errors="replace").split("\n")):
                if line:
                    yield _Token(line, node.start_point.row + offset)


def _is_erased(node: Node) -> bool:
    if node.type in ("import_statement", "export_statement", "import_specifier", "export_specifier"):
        declaration = node.child_by_field_name("declaration")
        return any(child.type == "type" for child in node.children) or (
            declaration is not None and declaration.type in _TYPE_NODES
        )
    if node.type == "required_parameter":
        pattern = node.child_by_field_name("pattern")
        return pattern is not None and pattern.type == "this"
    return node.type == "const" and node.parent is not None and node.parent.type == "enum_declaration"


def _printed_before(node: Node) -> Iterator[_Token]:
    """Yield the tokens with which the output introduces an enum or a namespace, but for its name."""
    name = node.child_by_field_name("name")
    if node.type not in ("enum_declaration", "internal_module") or name is None or name.text is None:
        return
    text = name.text.decode(errors="replace")
    header = ["var", text, "=", "function"] if node.type == "enum_declaration" else ["let", text, "function"]
    yield from (_Token(token, node.start_point.row) for token in header)


def _line_map(source: list[_Token], output: list[_Token], lines: int) -> list[int]:
    found: dict[int, int] = {}
    for at, origin in _walk_both(source, output):
        found.setdefault(output[at].row, source[origin].row)
    rows = [found.get(0, 0)]
    for row in range(1, lines):
        rows.append(found.get(row, rows[-1]))
    return [row + 1 for row in rows]


def _walk_both(source: list[_Token], output: list[_Token]) -> Iterator[tuple[int, int]]:
    """Yield (index in output, index in source) of tokens that correspond, both growing."""
    windows: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at in range(len(source)):
        windows[_window(source, at)].append(at)
    origin = at = 0
    while at < len(output) and origin < len(source):
        if source[origin].text == output[at].text:
            yield at, origin
            origin, at = origin + 1, at + 1
        else:
            origin, at = _next_common(windows, output, origin, at)


def _next_common(
    windows: dict[tuple[str, ...], list[int]], output: list[_Token], origin: int, at: int
) -> tuple[int, int]:
    """Return the nearest places from which several tokens agree again; skip one output token when there are none."""
    best, nearest = (origin, at + 1), _SKIP_TOKENS_MAX
    for skip in range(min(_SKIP_TOKENS_MAX, len(output) - at)):
        if skip >= nearest:
            break
        places = windows.get(_window(output, at + skip), [])
        index = bisect_left(places, origin)
        if index < len(places) and places[index] - origin + skip < nearest:
            nearest = places[index] - origin + skip
            best = (places[index], at + skip)
    return best


def _window(tokens: list[_Token], at: int) -> tuple[str, ...]:
    return tuple(token.text for token in tokens[at : at + _WINDOW_TOKENS])


def _refuse_commonjs(name: str, tree: Node) -> None:
    for statement in tree.named_children:
        kinds = [child.type for child in statement.children]
        kind = "export =" if kinds[:2] == ["export", "="] else next((k for k in kinds if k in _NO_ES_MODULE), None)
        if kind is not None:
            raise ConfigurationError(f"{name}:{statement.start_point.row + 1}: {_NO_ES_MODULE[kind]}")


def _error_line(tree: Node) -> str:
    """Return ``:line`` of the first place that the parser could not understand, or nothing."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            return f":{node.start_point.row + 1}"
        stack.extend(reversed([child for child in node.children if child.has_error or child.is_missing]))
    return ""
