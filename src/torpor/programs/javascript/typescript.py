"""
TypeScript without its types: what only types say becomes spaces, so that lines and columns stay the author's.

What has a meaning at run time, which is enums, namespaces and properties that are parameters, is written out in its
place (:mod:`~torpor.programs.javascript.expansion`). Imports and exports of what are types alone are left out
(:mod:`~torpor.programs.javascript.names`).

A statement may end where a line does. When the type that ended it is gone, or a whole statement or modifier behind it,
what follows could be taken for its continuation; then a semicolon takes the place of one of the spaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NoReturn

from tree_sitter import Node

from torpor.errors import ConfigurationError
from torpor.programs.javascript.dialect import parse
from torpor.programs.javascript.edits import Edits
from torpor.programs.javascript.expansion import Expansion
from torpor.programs.javascript.names import Names
from torpor.programs.javascript.nodes import text_of, walk
from torpor.programs.javascript.syntax import DECORATOR_ADVICE

SUFFIXES: Final = (".ts", ".mts")

_TYPES: Final = frozenset(
    {
        "type_annotation",
        "type_predicate_annotation",
        "asserts_annotation",
        "type_parameters",
        "type_arguments",
        "implements_clause",
        "accessibility_modifier",
        "override_modifier",
    }
)
"""What is left out wherever it stands."""

_TYPE_STATEMENTS: Final = frozenset(
    {
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "function_signature",
        "method_signature",
        "abstract_method_signature",
        "index_signature",
    }
)
"""Statements and members of classes that are left out as a whole."""

_MARKS: Final = {
    "public_field_definition": ("readonly", "?", "!"),
    "method_definition": ("?",),
    "variable_declarator": ("!",),
    "required_parameter": ("readonly",),
    "optional_parameter": ("readonly", "?"),
    "abstract_class_declaration": ("abstract",),
    "non_null_expression": ("!",),
}
"""Tokens that are left out of nodes that stay."""

_ASSERTIONS: Final = ("as_expression", "satisfies_expression")
_LISTS: Final = frozenset({"program", "statement_block", "class_body", "switch_case", "switch_default"})
_CONTINUES: Final = b"([`+-*/,.<="
"""What a line may begin with and continue the one before."""

_NEEDS_PARENTHESES: Final = (b"{", b"function", b"class", b"async", b"let")
"""What an expression cannot begin with everywhere, unless something stands before it."""

_SYNTAX_ADVICE: Final = "; if TypeScript takes it, say it more simply: with semicolons, or fewer things in one type"
_FROM: Final = "write `import … from`"
_NO_ES_MODULE: Final = {
    "import_require_clause": f"`import … = require(…)` is not an ES module import; {_FROM}",
    "export =": "`export =` is not an ES module export; write `export default`",
}


def strip_types(name: str, text: str) -> str:
    """
    Return a TypeScript module as JavaScript, with every line where it was.

    Args:
        name: the module's name, used in errors.
        text: what the author wrote.

    Raises:
        ConfigurationError: a syntax error, a decorator, or something that only CommonJS has; names file and line.
    """
    stripper = _Stripper(name, text)
    stripper.strip()
    return stripper.edits.text()


class _Stripper:
    """
    One module on its way.

    Attributes:
        edits: what changes.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self.edits = Edits(text)
        self._root, left_out = parse(self.edits.data)
        for start, end in left_out:
            self.edits.blank(start, end)
        self._expansion = Expansion(self.edits, self._refuse)
        self._lists: list[Node] = []
        self._comments: list[tuple[int, int]] = []
        self._names = Names(self.edits, self._expansion)

    def strip(self) -> None:
        self._refuse_errors()
        self._walk(self._root)
        self._names.leave_out(self._root)
        self._end_statements()

    # What is left out

    def _walk(self, root: Node) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            visit = self._VISITS.get(node.type)
            children = node.children if visit is None else visit(self, node)
            self._leave_out_marks(node)
            if node.type in _LISTS:
                self._lists.append(node)
            stack += reversed(children)

    def _leave_out_marks(self, node: Node) -> None:
        for mark in _MARKS.get(node.type, ()):
            for child in node.children:
                if child.type == mark:
                    self._blank(child)

    def _blank(self, node: Node) -> None:
        self.edits.blank(node.start_byte, node.end_byte)

    def _left_out(self, node: Node) -> Sequence[Node]:
        self._blank(node)
        return ()

    def _type_statement(self, node: Node) -> Sequence[Node]:
        name = node.child_by_field_name("name")
        if name is not None and node.type in ("interface_declaration", "type_alias_declaration"):
            self._names.types.add(text_of(name))
        return self._left_out(node)

    def _comment(self, node: Node) -> Sequence[Node]:
        self._comments.append((node.start_byte, node.end_byte))
        return ()

    def _decorator(self, node: Node) -> NoReturn:
        self._refuse(node, DECORATOR_ADVICE)

    def _name_used(self, node: Node) -> Sequence[Node]:
        self._names.used.add(text_of(node))
        return ()

    def _named(self, node: Node) -> Sequence[Node]:
        """Take note of what a declaration gives a value to."""
        name = node.child_by_field_name("name")
        if name is not None:
            self._names.values.add(text_of(name))
        return node.children

    # Expressions

    def _assertion(self, node: Node) -> Sequence[Node]:
        """``value as Type``, ``value satisfies Type``."""
        value = node.children[0]
        self._refuse_joined_lines(node)
        self.edits.blank(value.end_byte, node.end_byte)
        parent = node.parent
        is_operand = parent is not None and parent.type == "binary_expression" and node == parent.children[0]
        if is_operand and value.type in ("binary_expression", "ternary_expression"):
            # Types bind more loosely than most operators: (a + b as T) * c.
            self.edits.insert(value.start_byte, "(")
            end = self.edits.first_blank(value.end_byte, node.end_byte)
            assert end is not None, "the word `as` has left room"
            self.edits.put(end, ")")
        return (value,)

    def _cast(self, node: Node) -> Sequence[Node]:
        """``<Type>value``."""
        types, value = node.children[0], node.children[-1]
        self._blank(types)
        begins = self.edits.data[value.start_byte : value.start_byte + 8]
        if begins.startswith(_NEEDS_PARENTHESES) or self.edits.breaks_within(types.start_byte, value.start_byte):
            self.edits.put(types.start_byte, "(")
            self.edits.insert(value.end_byte, ")")
        return (value,)

    def _call(self, node: Node) -> Sequence[Node]:
        function = node.child_by_field_name("function") or node.child_by_field_name("object")
        if function is not None and function.type in _ASSERTIONS:
            self._refuse_line_after(function)
        return node.children

    def _binary(self, node: Node) -> Sequence[Node]:
        left, operator = node.children[0], node.children[1]
        if operator.type in ("|", "&") and left.type in _ASSERTIONS:
            self._refuse(
                operator, f"`{operator.type}` belongs to the type before it; put that and its value in parentheses"
            )
        return node.children

    def _arrow(self, node: Node) -> Sequence[Node]:
        """An arrow function; no line may break before its parameters' end and its arrow, nor before some of it."""
        types, parameters = node.child_by_field_name("type_parameters"), node.child_by_field_name("parameters")
        returned = node.child_by_field_name("return_type")
        left_out = [child for child in (types, returned) if child is not None]
        for child in left_out:
            self._refuse_joined_lines(child)
            self._blank(child)
        if parameters is not None and types is not None:
            self._move(types.start_byte, parameters.start_byte, parameters.start_byte, types.start_byte)
        if parameters is not None and returned is not None:
            self._move(parameters.end_byte, returned.end_byte, parameters.end_byte - 1, returned.end_byte - 1)
        return [child for child in node.children if child not in left_out]

    def _move(self, start: int, end: int, parenthesis: int, to: int) -> None:
        """Move a parenthesis to the other side of what is left out if that had several lines."""
        if self.edits.breaks_within(start, end):
            self.edits.blank(parenthesis, parenthesis + 1)
            self.edits.put(to, chr(self.edits.data[parenthesis]))

    def _parameters(self, node: Node) -> Sequence[Node]:
        """Leave out ``this``, which only tells a type, and the comma behind it."""
        kept: list[Node] = []
        left_out = False
        for child in node.children:
            pattern = child.child_by_field_name("pattern")
            if (pattern is not None and pattern.type == "this") or (left_out and child.type == ","):
                self._blank(child)
                left_out = child.type != ","
            else:
                kept.append(child)
        return kept

    # Statements

    def _field(self, node: Node) -> Sequence[Node]:
        if any(child.type in ("declare", "abstract") for child in node.children):
            return self._left_out(node)
        return node.children

    def _method(self, node: Node) -> Sequence[Node]:
        self._expansion.parameter_properties(node)
        return node.children

    def _enum(self, node: Node) -> Sequence[Node]:
        self._named(node)
        return self._expansion.enum(node)

    def _expression_statement(self, node: Node) -> Sequence[Node]:
        child = node.children[0]
        return self._namespace(child) if child.type == "internal_module" else node.children

    def _namespace(self, node: Node) -> Sequence[Node]:
        if not Expansion.has_values(node):
            return self._left_out(node)
        name = node.child_by_field_name("name")
        assert name is not None
        self._names.values.add(text_of(name).partition(".")[0])
        return self._expansion.namespace(node)

    def _import(self, node: Node) -> Sequence[Node]:
        if any(child.type == "type" for child in node.children):
            return self._left_out(node)
        if any(child.type == "import_clause" for child in node.children):
            self._names.imports.append(node)
        return ()

    def _alias(self, node: Node) -> Sequence[Node]:
        """``import X = A.B``."""
        self._names.aliases.append(node)
        return ()

    def _export(self, node: Node) -> Sequence[Node]:
        declaration = node.child_by_field_name("declaration")
        kinds = [child.type for child in node.children]
        if kinds[1:3] == ["as", "namespace"] or "type" in kinds or _is_type_star(node):
            return self._left_out(node)
        if declaration is not None:
            if declaration.type == "internal_module" and not Expansion.has_values(declaration):
                return self._left_out(node)
            if declaration.type in _TYPE_STATEMENTS:
                self._type_statement(declaration)
                return self._left_out(node)
            self._expansion.export(node, declaration)
            return [child for child in node.children if child.type != "export"]
        if "export_clause" in kinds:
            self._names.exports.append(node)
        elif "default" in kinds:
            self._names.exports.append(node)
            return node.children
        else:
            return node.children
        return ()

    # Ends of statements

    def _end_statements(self) -> None:
        comments = bytearray(len(self.edits.data))
        for start, end in self._comments:
            comments[start:end] = b"\1" * (end - start)

        def is_code(at: int) -> bool:
            return self.edits.is_kept(at) and not comments[at] and self.edits.data[at] > 32

        for parent in self._lists:
            last = None
            for child in parent.children:
                code = range(child.start_byte, child.end_byte)
                first = next((at for at in code if is_code(at)), None)
                if first is None:
                    continue
                if last is not None:
                    self._end_statement(last, first, is_class=parent.type == "class_body")
                last = next(at for at in reversed(code) if is_code(at))

    def _end_statement(self, last: int, first: int, *, is_class: bool) -> None:
        """Put a semicolon between code that ends at *last* and code that begins at *first*, if it would run on."""
        data = self.edits.data
        goes_on = data[first] in _CONTINUES or (is_class and data[first] not in b";}" and data[last] not in b"}")
        if data[last] in b";{:" or not goes_on:
            return
        place = self.edits.first_blank(last + 1, first)
        if place is not None:
            self.edits.put(place, ";")

    # Refusals

    def _refuse(self, node: Node, what: str) -> NoReturn:
        line = self.edits.data.count(b"\n", 0, node.start_byte) + 1
        raise ConfigurationError(f"{self._name}:{line}: {what}")

    def _refuse_errors(self) -> None:
        for statement in self._root.named_children:
            kinds = [child.type for child in statement.children]
            kind = "export =" if kinds[:2] == ["export", "="] else next((k for k in kinds if k in _NO_ES_MODULE), None)
            if kind is not None and "type" not in kinds:
                self._refuse(statement, _NO_ES_MODULE[kind])
        for node in _errors(self._root):
            near = " ".join(text_of(node).split())[:40]
            what = f"{node.type} is missing" if node.is_missing else f"near {near!r}"
            self._refuse(node, f"TypeScript syntax error: {what}{_SYNTAX_ADVICE}")

    def _refuse_joined_lines(self, node: Node) -> None:
        """Refuse a type that the parser has found to go on with a bracket on the next line, which it does not."""
        for found in walk(node):
            if found.type in ("lookup_type", "array_type"):
                before, bracket = found.children[0], found.children[1]
                if self.edits.breaks_within(before.end_byte, bracket.start_byte):
                    self._refuse_line_after(before)

    def _refuse_line_after(self, node: Node) -> NoReturn:
        following = node.next_sibling or node
        self._refuse(following, "write a semicolon at the end of the line before; it ends in a type")

    _VISITS: Final[dict[str, Callable[[_Stripper, Node], Sequence[Node]]]] = {
        **dict.fromkeys(_TYPES, _left_out),
        **dict.fromkeys(_TYPE_STATEMENTS, _type_statement),
        "comment": _comment,
        "decorator": _decorator,
        "identifier": _name_used,
        "shorthand_property_identifier": _name_used,
        "function_declaration": _named,
        "generator_function_declaration": _named,
        "class_declaration": _named,
        "abstract_class_declaration": _named,
        "as_expression": _assertion,
        "satisfies_expression": _assertion,
        "type_assertion": _cast,
        "call_expression": _call,
        "member_expression": _call,
        "subscript_expression": _call,
        "binary_expression": _binary,
        "arrow_function": _arrow,
        "formal_parameters": _parameters,
        "public_field_definition": _field,
        "method_definition": _method,
        "enum_declaration": _enum,
        "expression_statement": _expression_statement,
        "internal_module": _namespace,
        "module": _namespace,
        "import_statement": _import,
        "import_alias": _alias,
        "export_statement": _export,
    }


def _errors(root: Node) -> Iterator[Node]:
    """Yield what the parser could not understand, but for ``export type *``, which it does not know."""
    stack = [root] if root.has_error else []
    while stack:
        node = stack.pop()
        if node.is_missing or (node.is_error and not (node.parent is not None and _is_type_star(node.parent))):
            yield node
        stack += reversed([child for child in node.children if child.has_error or child.is_missing])


def _is_type_star(node: Node) -> bool:
    return node.type == "export_statement" and any(
        child.is_error and text_of(child) == "type" for child in node.children[1:2]
    )
