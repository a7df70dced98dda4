"""
What the program builder must know of a JavaScript module: its imports, its exports and its workflows.

A real parser (tree-sitter) reads the text, because strings, comments, templates and regular expressions defeat
patterns. It tolerates errors: whether the module is valid is for the guest's own compiler to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from keyword import iskeyword

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from torpor.programs.javascript.nodes import text_of

WORKFLOW_DIRECTIVE = "use workflow"
STEP_DIRECTIVE = "use step"
SERIALIZATION_MARK = "workflow-serialize"
"""Name of the symbol under which a class says how its instances are stored."""

_LANGUAGE = Language(tree_sitter_javascript.language())
_FUNCTIONS = {
    "function_declaration",
    "function_expression",
    "arrow_function",
    "method_definition",
    "generator_function_declaration",
    "generator_function",
}
_GENERATORS = {"generator_function_declaration", "generator_function"}


@dataclass(frozen=True, slots=True)
class Import:
    """
    One specifier that the module names.

    Attributes:
        specifier: the text between the quotes.
        line: where, from 1.
        start, end: byte range of the literal, quotes included, in the UTF-8 text.
        names: names taken from the other module (``default`` for a default import); empty for namespaces,
            side effects and dynamic imports.
        everything: ``export * from``: passes on what the other module exports.
    """

    specifier: str
    line: int
    start: int
    end: int
    names: tuple[str, ...] = ()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Misuse:
    """Something that cannot work where it stands."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ModuleSyntax:
    """
    What was found in a module.

    Attributes:
        imports: static, dynamic (with a literal) and re-exporting, in order.
        exports: names that the module itself exports, without those of ``export *``.
        workflows: export name of each workflow function, in order → text of what it takes
            (:mod:`torpor.signatures`).
        misuses: directives and decorators that cannot work.
        source_maps: byte ranges of source map comments.
        meta_at: where ``import.meta`` can be given its properties, in bytes; None where nothing asks for it.
        has_classes: whether it names the symbol of custom serialization, so that it may define such classes.
        is_whole: whether the parser understood all of it, so that a missing export is really missing.
    """

    imports: tuple[Import, ...]
    exports: frozenset[str]
    workflows: dict[str, str]
    misuses: tuple[Misuse, ...]
    source_maps: tuple[tuple[int, int], ...]
    meta_at: int | None
    has_classes: bool
    is_whole: bool


def read_module(text: str) -> ModuleSyntax:
    """Return what *text*, a JavaScript module, imports, exports and declares as workflows."""
    root = Parser(_LANGUAGE).parse(text.encode()).root_node
    scan = _Scan(marks_all=_directive(root) == WORKFLOW_DIRECTIVE)
    for statement in root.named_children:
        scan.statement(statement)
    return ModuleSyntax(
        imports=tuple(_imports(root)),
        exports=frozenset(scan.exported),
        workflows={name: _signature(function) for name, function in scan.workflows()},
        misuses=tuple(scan.misuses(root)),
        source_maps=tuple(_source_maps(root)),
        meta_at=_meta_at(root),
        has_classes=any(_name(string) == SERIALIZATION_MARK for string in _descend(root, "string")),
        is_whole=not root.has_error,
    )


@dataclass(slots=True)
class _Scan:
    """Collects top-level functions by local name and what each export name stands for."""

    marks_all: bool
    local: dict[str, Node] = field(default_factory=dict)
    exported: dict[str, Node | str] = field(default_factory=dict)

    def statement(self, node: Node) -> None:
        if node.type != "export_statement":
            self.local.update(_declared(node))
            return
        declaration = node.child_by_field_name("declaration")
        value = node.child_by_field_name("value")
        is_default = any(child.type == "default" for child in node.children)
        if declaration is not None:
            found = dict(_declared(declaration))
            self.local.update(found)
            if is_default:
                self.exported["default"] = declaration
            else:
                self.exported.update(found)
        elif value is not None:
            self.exported["default"] = text_of(value) if value.type == "identifier" else value
        for specifier in _descend(node, "export_specifier"):
            name = specifier.child_by_field_name("name")
            alias = specifier.child_by_field_name("alias") or name
            if name is not None and alias is not None:
                is_reexport = node.child_by_field_name("source") is not None
                self.exported[_name(alias)] = node if is_reexport else _name(name)
        for namespace in _descend(node, "namespace_export"):
            self.exported[_name(namespace.named_children[-1])] = node

    def function(self, export: str) -> Node | None:
        """Return the function that an export name stands for, None when it is no function."""
        found = self.exported[export]
        node = self.local.get(found) if isinstance(found, str) else found
        return node if node is not None and node.type in _FUNCTIONS else None

    def workflows(self) -> Iterator[tuple[str, Node]]:
        for export in self.exported:
            function = self.function(export)
            if function is None or function.type in _GENERATORS:
                continue
            directive = _directive(function.child_by_field_name("body"))
            if directive == WORKFLOW_DIRECTIVE or (self.marks_all and directive is None):
                yield export, function

    def misuses(self, root: Node) -> Iterator[Misuse]:
        exported = {function.id for name in self.exported if (function := self.function(name)) is not None}
        top = exported | {node.id for node in self.local.values()}
        if _directive(root) == STEP_DIRECTIVE:
            yield Misuse(1, _STEP_ADVICE)
        for node in _descend(root, "decorator"):
            yield Misuse(node.start_point.row + 1, DECORATOR_ADVICE)
        for node in _functions(root):
            directive = _directive(node.child_by_field_name("body"))
            line = node.start_point.row + 1
            name = node.child_by_field_name("name")
            what = f"function {text_of(name)}" if name is not None else "a function"
            if directive == STEP_DIRECTIVE:
                yield Misuse(line, _STEP_ADVICE)
            elif directive == WORKFLOW_DIRECTIVE and node.type in _GENERATORS:
                yield Misuse(line, f'{what} has "use workflow" but is a generator; make it an async function')
            elif directive == WORKFLOW_DIRECTIVE and node.id not in top:
                yield Misuse(line, f'{what} has "use workflow" inside other code; move it to the top of the module')
            elif directive == WORKFLOW_DIRECTIVE and node.id not in exported:
                yield Misuse(line, f'{what} has "use workflow" but is not exported; write `export` before it')


DECORATOR_ADVICE = (
    "decorators are not part of JavaScript yet, and the guest does not have them; call the function that makes the "
    "change, as in `export const ship = logged(async (order) => { … })`"
)
"""What to do instead of decorating."""

_STEP_ADVICE = (
    '"use step" functions run outside the guest and are not written in JavaScript here; '
    'define the step in a Python file and import it, as in "./orders.py"'
)


def _signature(function: Node) -> str:
    """
    Return the text of what a function takes.

    JavaScript calls a function with any number of arguments, and passes none by name; so the text refuses nothing: it
    tells the names.
    """
    parameters = function.child_by_field_name("parameters")
    single = function.child_by_field_name("parameter")  # of an arrow function without parentheses
    written = [single] if single is not None else parameters.named_children if parameters is not None else []
    names: list[str] = []
    rest = "args"
    for each in written:
        if each.type == "rest_pattern":
            rest = _python_name(each.named_children[0], rest, names)
        elif each.type != "comment":
            target = each.child_by_field_name("left") or each
            names.append(_python_name(target, f"arg{len(names) + 1}", names))
    by_position = "".join(f"{name}=..., " for name in names) + ("/, " if names else "")
    rest = _unlike(rest, names)
    return f"({by_position}*{rest}, **{_unlike('kwargs', [*names, rest])})"


def _python_name(node: Node, otherwise: str, taken: list[str]) -> str:
    text = text_of(node)
    is_name = node.type == "identifier" and text.isidentifier() and not iskeyword(text)
    return _unlike(text if is_name else otherwise, taken)


def _unlike(name: str, taken: list[str]) -> str:
    return _unlike(f"{name}_", taken) if name in taken else name


def _declared(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the names that a declaration binds, with the function where the value is one."""
    name = node.child_by_field_name("name")
    if node.type in ("lexical_declaration", "variable_declaration"):
        for declarator in _children(node, "variable_declarator"):
            target, value = declarator.child_by_field_name("name"), declarator.child_by_field_name("value")
            if target is not None and target.type == "identifier":
                yield text_of(target), value or declarator
            elif target is not None:
                for bound in _descend(target, "identifier", "shorthand_property_identifier_pattern"):
                    yield text_of(bound), declarator
    elif name is not None and node.type.endswith("_declaration"):
        yield text_of(name), node


def _imports(root: Node) -> Iterator[Import]:
    for node in _walk(root):
        if node.type in ("import_statement", "export_statement"):
            source = node.child_by_field_name("source")
            if source is not None:
                everything = any(child.type == "*" for child in node.children)
                yield _import(source, tuple(_taken(node)), everything)
        elif node.type == "call_expression":
            function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
            if function is not None and function.type == "import" and arguments is not None:
                first = arguments.named_children[0] if arguments.named_children else None
                if first is not None and _is_literal(first):
                    yield _import(first)


def _taken(node: Node) -> Iterator[str]:
    for clause in _children(node, "import_clause"):
        if any(child.type == "identifier" for child in clause.children):
            yield "default"
    for specifier in _descend(node, "import_specifier", "export_specifier"):
        name = specifier.child_by_field_name("name")
        if name is not None:
            yield _name(name)


def _import(source: Node, names: tuple[str, ...] = (), everything: bool = False) -> Import:
    line = source.start_point.row + 1
    return Import(_name(source), line, source.start_byte, source.end_byte, names, everything)


def _is_literal(node: Node) -> bool:
    return node.type == "string" or (
        node.type == "template_string" and all(child.type == "string_fragment" for child in node.named_children)
    )


def _directive(body: Node | None) -> str | None:
    """Return the first of our directives among the strings that a body begins with."""
    for statement in body.named_children if body is not None else ():
        if statement.type in ("comment", "hash_bang_line"):
            continue
        string = statement.named_children[0] if statement.named_children else None
        if statement.type != "expression_statement" or string is None or string.type != "string":
            return None
        if (text := _name(string)) in (WORKFLOW_DIRECTIVE, STEP_DIRECTIVE):
            return text
    return None


def _source_maps(root: Node) -> Iterator[tuple[int, int]]:
    for node in _walk(root):
        if node.type == "comment" and text_of(node)[2:].lstrip("#@ ").startswith("sourceMappingURL="):
            yield node.start_byte, node.end_byte


def _meta_at(root: Node) -> int | None:
    if next(_descend(root, "meta_property"), None) is None:
        return None
    at = 0
    for statement in root.named_children:
        if statement.type == "hash_bang_line":
            at = statement.end_byte + 1
        elif statement.type == "expression_statement" and statement.named_children[0].type == "string":
            at = statement.end_byte  # a directive, which would be none behind a statement
        elif statement.type != "comment":
            break
    return at


def _functions(root: Node) -> Iterator[Node]:
    return (node for node in _walk(root) if node.type in _FUNCTIONS)


def _descend(node: Node, *types: str) -> Iterator[Node]:
    return (found for found in _walk(node) if found.type in types)


def _children(node: Node, kind: str) -> Iterator[Node]:
    return (child for child in node.children if child.type == kind)


def _walk(root: Node) -> Iterator[Node]:
    """Yield every named node in source order."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.named_children))


def _name(node: Node) -> str:
    """Return an identifier, or what stands between the quotes of a string."""
    text = text_of(node)
    return text[1:-1] if node.type in ("string", "template_string") else text
