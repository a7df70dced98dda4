"""
What TypeScript has a meaning for at run time, written out where it stands: enums, namespaces, ``import X = A.B`` and
parameters that are properties.

Each piece becomes what the TypeScript compiler makes of it, on the lines on which the author wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NoReturn

from tree_sitter import Node

from torpor.programs.javascript.edits import Edits
from torpor.programs.javascript.nodes import field_of, parent_of, text_of, walk

_MERGEABLE: Final = frozenset(
    {
        "class_declaration",
        "abstract_class_declaration",
        "function_declaration",
        "generator_function_declaration",
        "enum_declaration",
        "internal_module",
        "module",
    }
)
"""Declarations whose name an enum or namespace may have too, to add to them."""

_NO_VALUES: Final = frozenset(
    {
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "function_signature",
        "comment",
        "import_alias",
        "empty_statement",
    }
)
_MODIFIERS: Final = frozenset({"accessibility_modifier", "override_modifier", "readonly"})


class Expansion:
    """
    Writes out what types alone do not account for.

    Args:
        edits: of the module.
        refuse: raises an error about a node.
    """

    def __init__(self, edits: Edits, refuse: Callable[[Node, str], NoReturn]) -> None:
        self._edits = edits
        self._refuse = refuse

    # Enums

    def enum(self, node: Node) -> Sequence[Node]:
        """Write out an enum, and return the expressions that it has."""
        name, body = field_of(node, "name"), field_of(node, "body")
        enum = text_of(name)
        self._edits.replace(node.start_byte, body.start_byte + 1, f"{self._opening(node, enum)}(function ({enum}) {{")
        self._edits.insert(body.end_byte, f")({self._argument(node, enum)});")
        members = [member for block in (*self._merged(node, enum), node) for member in _members(block)]
        known = {_member_name(member) for member in members}
        values: list[Node] = []
        previous: Node | None = None
        for child in body.children:
            if child.type == ",":
                self._edits.drop(child.start_byte, child.end_byte)
            elif child.type in ("property_identifier", "string", "computed_property_name", "enum_assignment"):
                self._member(enum, child, previous)
                value = child.child_by_field_name("value")
                if value is not None:
                    self._qualify(enum, value, known)
                    values.append(value)
                previous = child
        return [*values, *(child for child in body.children if child.type == "comment")]

    def _member(self, enum: str, member: Node, previous: Node | None) -> None:
        key = f"{enum}[{json.dumps(_member_name(member))}]"
        name = json.dumps(_member_name(member))
        value = member.child_by_field_name("value")
        if value is None:
            number = self._next_number(enum, member, previous)
            self._edits.replace(member.start_byte, member.end_byte, f"{enum}[{key} = {number}] = {name};")
        elif _is_text(value):
            self._edits.replace(member.start_byte, value.start_byte, f"{key} = ")
            self._edits.insert(value.end_byte, ";")
        else:  # numbers can be looked up by value, texts cannot
            self._edits.replace(member.start_byte, value.start_byte, f"typeof ({key} = ")
            self._edits.insert(value.end_byte, f') === "string" || ({enum}[{key}] = {name});')

    def _next_number(self, enum: str, member: Node, previous: Node | None) -> str:
        if previous is None:
            return "0"
        value = previous.child_by_field_name("value")
        if value is not None and _is_text(value):
            self._refuse(member, f"{_member_name(member)} follows a text, so it needs a value of its own")
        return f"{enum}[{json.dumps(_member_name(previous))}] + 1"

    def _qualify(self, enum: str, value: Node, members: set[str]) -> None:
        """Let the names of other members in an expression be those members."""
        for node in walk(value):
            if node.type == "identifier" and text_of(node) in members:
                self._edits.insert(node.start_byte, f"{enum}.")

    def _merged(self, node: Node, name: str) -> list[Node]:
        return [found for found in _declared_before(node, name) if found.type == node.type]

    # Namespaces

    @staticmethod
    def has_values(namespace: Node) -> bool:
        """Tell whether a namespace has more than types."""
        body = namespace.child_by_field_name("body")
        for statement in body.named_children if body is not None else ():
            inner = statement.child_by_field_name("declaration") or statement
            if inner.type == "expression_statement" and inner.children[0].type == "internal_module":
                inner = inner.children[0]
            if inner.type in ("internal_module", "module"):
                if Expansion.has_values(inner):
                    return True
            elif inner.type not in _NO_VALUES:
                return True
        return False

    def namespace(self, node: Node) -> Sequence[Node]:
        """Write out a namespace that has values, and return the statements that it has."""
        body = field_of(node, "body")
        names = text_of(field_of(node, "name")).split(".")
        opening = f"{self._opening(node, names[0])}(function ({_inside(names[0])}) {{"
        closing = f")({self._argument(node, names[0])});"
        for outer, inner in pairwise(names):
            opening += f"let {inner}; (function ({_inside(inner)}) {{"
            member = f"{_inside(outer)}.{inner}"
            closing = f")({inner} = {member} || ({member} = {{}}));}}{closing}"
        earlier = sorted({name for block in self._merged_blocks(node, names) for name in _exported_names(block)})
        earlier = [name for name in earlier if name not in _local_names(body)]
        if earlier:
            opening += f"const {{ {', '.join(earlier)} }} = {_inside(names[-1])};"
        self._edits.replace(node.start_byte, body.start_byte + 1, opening)
        self._edits.insert(body.end_byte, closing)
        return [child for child in body.children if child.is_named]

    def _merged_blocks(self, node: Node, names: Sequence[str]) -> Iterator[Node]:
        for found in _declared_before(node, names[0]):
            if found.type in ("internal_module", "module") and text_of(field_of(found, "name")).split(".") == list(
                names
            ):
                yield field_of(found, "body")

    def export(self, node: Node, declaration: Node) -> None:
        """Write out what ``export`` means for a declaration: inside a namespace, a member of it."""
        export = node.children[0]
        namespace = _namespace_around(node)
        if namespace is None:
            merged = declaration.type in ("enum_declaration", "internal_module", "module") and bool(
                list(_declared_before(declaration, _first_name(declaration)))
            )
            if merged:
                self._edits.drop(export.start_byte, declaration.start_byte)
            return
        self._edits.drop(export.start_byte, declaration.start_byte)
        if declaration.type in ("enum_declaration", "internal_module", "module", "import_alias"):
            return  # they write themselves out as members
        is_fixed = declaration.type != "variable_declaration" and not text_of(declaration).startswith("let")
        end = "" if self._edits.data[node.end_byte - 1 : node.end_byte] in (b";", b"}") else ";"
        members = "".join(_member_of(namespace, name, is_fixed=is_fixed) for name in _names(declaration))
        self._edits.insert(node.end_byte, end + members)

    def alias(self, node: Node) -> None:
        """Write out ``import X = A.B``."""
        name, namespace = text_of(node.named_children[0]), _namespace_around(node)
        member = f"{namespace}.{name} = " if namespace is not None and self.is_exported(node) else ""
        self._edits.replace(node.start_byte, node.named_children[1].start_byte, f"const {name} = {member}")

    @staticmethod
    def is_exported(node: Node) -> bool:
        """Tell whether a declaration is exported."""
        return node.parent is not None and node.parent.type == "export_statement"

    def _opening(self, node: Node, name: str) -> str:
        if list(_declared_before(node, name)):
            return ";"
        return f"{'var' if _is_outermost(node) else 'let'} {name}; "

    def _argument(self, node: Node, name: str) -> str:
        """Return what the function of an enum or namespace is called with: what has its name, or a new object."""
        namespace = _namespace_around(node)
        if namespace is None or not self.is_exported(node):
            return f"{name} || ({name} = {{}})"
        return f"{name} = {namespace}.{name} || ({namespace}.{name} = {{}})"

    # Parameter properties

    def parameter_properties(self, method: Node) -> None:
        """Write out the parameters of a constructor that are properties of the class."""
        parameters, body = method.child_by_field_name("parameters"), method.child_by_field_name("body")
        if parameters is None or body is None or text_of(field_of(method, "name")) != "constructor":
            return
        names: list[str] = []
        for parameter in parameters.named_children:
            if any(child.type in _MODIFIERS for child in parameter.children):
                pattern = field_of(parameter, "pattern")
                if pattern.type != "identifier":
                    self._refuse(parameter, "a parameter that is a property has a plain name")
                names.append(text_of(pattern))
        if not names:
            return
        class_body = method.parent
        assert class_body is not None
        self._edits.insert(class_body.start_byte + 1, "".join(f" {name};" for name in names))
        at, before = self._beginning(class_body, body)
        self._edits.insert(at, before + "".join(f" this.{name} = {name};" for name in names))

    def _beginning(self, class_body: Node, body: Node) -> tuple[int, str]:
        """Return where the properties can be set first, and what must stand before that."""
        statements = [child for child in body.named_children if child.type != "comment"]
        is_derived = any(child.type == "class_heritage" and _extends(child) for child in parent_of(class_body).children)
        last: Node | None = None
        if is_derived:
            last = next((statement for statement in statements if _calls_super(statement)), None)
            if last is None:
                self._refuse(body, "a constructor with parameters that are properties calls super(…) as a statement")
        else:
            for statement in statements:
                if statement.type != "expression_statement" or statement.children[0].type != "string":
                    break
                last = statement
        if last is None:
            return body.start_byte + 1, ""
        return last.end_byte, "" if text_of(last).endswith(";") else ";"


def _inside(namespace: str) -> str:
    """Return the name that a namespace has in its own function, where something may have its name."""
    return f"_{namespace}"


def _members(enum: Node) -> list[Node]:
    kinds = ("property_identifier", "string", "computed_property_name", "enum_assignment")
    return [child for child in field_of(enum, "body").children if child.type in kinds]


def _member_name(member: Node) -> str:
    name = member.child_by_field_name("name") if member.type == "enum_assignment" else member
    assert name is not None
    if name.type == "computed_property_name":
        name = name.named_children[0]
    text = text_of(name)
    return str(json.loads(f'"{text[1:-1]}"')) if text[0] == '"' else text.strip("'`")


def _is_text(value: Node) -> bool:
    return value.type == "string" or (
        value.type == "template_string" and all(child.type != "template_substitution" for child in value.named_children)
    )


def _member_of(namespace: str, name: str, *, is_fixed: bool) -> str:
    if is_fixed:
        return f" {namespace}.{name} = {name};"
    return (
        f' Object.defineProperty({namespace}, "{name}", '
        f"{{ enumerable: true, get: () => {name}, set: (_{name}) => {{ {name} = _{name}; }} }});"
    )


def _names(declaration: Node) -> list[str]:
    """Return the names that a declaration gives values to."""
    if declaration.type not in ("lexical_declaration", "variable_declaration"):
        return [text_of(field_of(declaration, "name"))]
    names: list[str] = []
    for declarator in declaration.named_children:
        target = declarator.child_by_field_name("name")
        if target is not None:
            names += [text_of(node) for node in walk(target) if node.type in _BINDINGS and not _is_key_or_default(node)]
    return names


_BINDINGS: Final = frozenset({"identifier", "shorthand_property_identifier_pattern"})


def _is_key_or_default(node: Node) -> bool:
    """Tell whether a name in a pattern is an expression: a default, or part of one."""
    child, parent = node, node.parent
    while parent is not None and parent.type not in ("variable_declarator", "lexical_declaration"):
        if parent.type in ("assignment_pattern", "object_assignment_pattern") and parent.children[-1] == child:
            return True
        child, parent = parent, parent.parent
    return False


def _exported_names(body: Node) -> Iterator[str]:
    """Yield the names of what a block of a namespace exports and nobody can assign to."""
    for statement in body.named_children:
        declaration = statement.child_by_field_name("declaration")
        if statement.type != "export_statement" or declaration is None or declaration.type in _NO_VALUES:
            continue
        if declaration.type in ("internal_module", "module"):
            if Expansion.has_values(declaration):
                yield _first_name(declaration)
        elif declaration.type == "lexical_declaration" and not text_of(declaration).startswith("const"):
            continue
        elif declaration.type != "variable_declaration":
            yield from _names(declaration)


def _local_names(body: Node) -> set[str]:
    names: set[str] = set()
    for statement in body.named_children:
        inner = statement.child_by_field_name("declaration") or statement
        if inner.type == "expression_statement":
            inner = inner.children[0]
        if inner.type in ("lexical_declaration", "variable_declaration"):
            names |= set(_names(inner))
        elif inner.child_by_field_name("name") is not None:
            names.add(_first_name(inner))
    return names


def _first_name(declaration: Node) -> str:
    return text_of(field_of(declaration, "name")).partition(".")[0]


def _declared_before(node: Node, name: str) -> Iterator[Node]:
    """Yield the declarations before *node*, in the same list of statements, that have its name and a value."""
    statement = node
    while statement.parent is not None and statement.parent.type in ("export_statement", "expression_statement"):
        statement = statement.parent
    for sibling in parent_of(statement).children:
        if sibling == statement:
            return
        found = sibling.child_by_field_name("declaration") or sibling
        if found.type == "expression_statement":
            found = found.children[0]
        if found.type in _MERGEABLE and _first_name(found) == name:
            is_namespace = found.type in ("internal_module", "module")
            if not is_namespace or Expansion.has_values(found):
                yield found


def _namespace_around(node: Node) -> str | None:
    """Return the inner name of the namespace that a declaration stands in, None outside of namespaces."""
    parent = node.parent
    while parent is not None and parent.type in ("export_statement", "expression_statement"):
        parent = parent.parent
    if parent is None or parent.type != "statement_block":
        return None
    owner = parent_of(parent)
    if owner.type not in ("internal_module", "module"):
        return None
    return _inside(text_of(field_of(owner, "name")).split(".")[-1])


def _is_outermost(node: Node) -> bool:
    parent = node.parent
    while parent is not None and parent.type in ("export_statement", "expression_statement"):
        parent = parent.parent
    return parent is not None and parent.type == "program"


def _extends(heritage: Node) -> bool:
    return any(child.type == "extends_clause" for child in heritage.children)


def _calls_super(statement: Node) -> bool:
    if statement.type != "expression_statement" or statement.children[0].type != "call_expression":
        return False
    function = statement.children[0].child_by_field_name("function")
    return function is not None and function.type == "super"
