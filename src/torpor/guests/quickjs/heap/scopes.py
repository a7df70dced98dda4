"""
What can be seen from a place in a program's text: the ``await`` that stands there, and the variables in scope.

The engine keeps variables of blocks that have ended, and of two with the same name it does not say which is which. The
text does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Tree

_LANGUAGE: Final = Language(tree_sitter_javascript.language())
_FUNCTIONS: Final = frozenset(
    (
        "function_declaration",
        "function_expression",
        "generator_function_declaration",
        "generator_function",
        "arrow_function",
        "method_definition",
        "class_static_block",
    )
)
_SCOPES: Final = frozenset(
    (
        "statement_block",
        "for_statement",
        "for_in_statement",
        "catch_clause",
        "switch_body",
        "class",
        "class_declaration",
    )
)
_LEXICAL: Final = frozenset(("lexical_declaration", "using_declaration"))
_DECLARED: Final = frozenset(("function_declaration", "generator_function_declaration", "class_declaration", "class"))
_NAMES: Final = frozenset(("identifier", "shorthand_property_identifier_pattern"))
_WAITS: Final = frozenset(("await_expression", "yield_expression"))


Standing = Literal["await", "loop", "running"]
"""How a function stands at a place."""


class Outlook(NamedTuple):
    """
    What can be seen from a place.

    Attributes:
        line, column: where the ``await`` begins, from 1.
        visible: name of each variable of the function → for each of its declarations in the order of the text whether
            it is the one that is meant there.
        outer: names of variables of the functions around.
    """

    line: int
    column: int
    visible: dict[str, list[bool]]
    outer: frozenset[str]


@lru_cache(maxsize=512)
def outlook(text: str, line: int, column: int, stands: Standing = "await") -> Outlook | None:
    """
    Return what can be seen from a place of a module, None where no function is.

    Args:
        text: of the module, as it is evaluated.
        line, column: the place, from 1; columns are UTF-16 units.
        stands: whether an ``await`` waits there, a ``for await`` for its next item, or the function runs.
    """
    row = line_of(text, line)
    at = (line - 1, len(row.encode("utf-16-le")[: 2 * (column - 1)].decode("utf-16-le", "replace").encode()))
    node = _tree(text).root_node.descendant_for_point_range(at, at)
    if node is None:
        return None
    waits = _waiting(node, stands)
    functions = [each for each in _upwards(waits or node) if each.type in _FUNCTIONS]
    if not functions:
        return None
    around = [each.id for each in _upwards(node)]
    outer = {name for function in functions[1:] for name, scope in _declared(function) if scope.id in around}
    if waits is not None:
        line, column = waits.start_point[0] + 1, _column(line_of(text, waits.start_point[0] + 1), waits.start_point[1])
    return Outlook(line, column, _visible(functions[0], around), frozenset(outer))


def _visible(function: Node, around: list[int]) -> dict[str, list[bool]]:
    scopes: dict[str, list[int]] = {}
    for name, scope in _declared(function):
        known = scopes.setdefault(name, [])
        if scope.id not in known:
            known.append(scope.id)
    return {name: _innermost(found, around) for name, found in scopes.items()}


def _innermost(scopes: list[int], around: list[int]) -> list[bool]:
    """Return which of the scopes that declare a name is the innermost one around a place."""
    meant = next((scope for scope in around if scope in scopes), None)
    return [scope == meant for scope in scopes]


def _waiting(node: Node, stands: Standing) -> Node | None:
    """Return what waits at a node: the ``await``, ``yield`` or ``for await`` around it within its function."""
    if stands == "running":
        return None
    for each in _upwards(node):
        if each.type in _FUNCTIONS:
            return None
        if _is_for_await(each) if stands == "loop" else each.type in _WAITS:
            return each
    return None


def _is_for_await(node: Node) -> bool:
    return node.type == "for_in_statement" and any(child.type == "await" for child in node.children)


def _declared(function: Node) -> Iterator[tuple[str, Node]]:
    """Yield the names that a function declares, and the scope of each, in the order of the text."""
    for field in ("parameters", "parameter"):
        if (given := function.child_by_field_name(field)) is not None:
            yield from ((name, function) for name in _bound(given))
    body = function.child_by_field_name("body")
    stack: list[tuple[Node, Node]] = [] if body is None else [(body, function)]
    while stack:
        node, scope = stack.pop()
        yield from _declares(node, scope, function)
        if node.type in _FUNCTIONS and node is not body:
            continue
        if node.type in _SCOPES and node is not body:
            scope = node
        stack += [(child, scope) for child in reversed(node.named_children)]


def _declares(node: Node, scope: Node, function: Node) -> Iterator[tuple[str, Node]]:
    """Yield the names that one node declares."""
    if node.type in _DECLARED and (name := node.child_by_field_name("name")) is not None:
        if node.type in ("class", "class_declaration"):
            yield _text(name), node
        if node.type != "class":
            yield _text(name), scope
    elif node.type == "variable_declarator" and (name := node.child_by_field_name("name")) is not None:
        is_lexical = node.parent is not None and node.parent.type in _LEXICAL
        yield from ((bound, scope if is_lexical else function) for bound in _bound(name))
    elif node.type == "catch_clause" and (caught := node.child_by_field_name("parameter")) is not None:
        yield from ((bound, node) for bound in _bound(caught))
    elif node.type == "for_in_statement" and (kind := node.child_by_field_name("kind")) is not None:
        left = node.child_by_field_name("left")
        owner = function if kind.type == "var" else node
        yield from ((bound, owner) for bound in (_bound(left) if left is not None else ()))


def _bound(pattern: Node) -> Iterator[str]:
    """Yield the names that a pattern binds."""
    stack = [pattern]
    while stack:
        node = stack.pop()
        if node.type in _NAMES:
            yield _text(node)
        elif node.type in ("assignment_pattern", "object_assignment_pattern"):
            stack += [left] if (left := node.child_by_field_name("left")) is not None else []
        elif node.type == "pair_pattern":
            stack += [value] if (value := node.child_by_field_name("value")) is not None else []
        elif node.type in ("formal_parameters", "object_pattern", "array_pattern", "rest_pattern"):
            stack += reversed(node.named_children)


def _upwards(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent


@lru_cache(maxsize=16)
def _tree(text: str) -> Tree:
    return Parser(_LANGUAGE).parse(text.encode("utf-8", "replace"))


@lru_cache(maxsize=16)
def _lines(text: str) -> list[str]:
    return text.split("\n")


def line_of(text: str, line: int) -> str:
    """Return a line of a text, counted from 1, ``""`` where there is none."""
    lines = _lines(text)
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _column(row: str, at: int) -> int:
    return len(row.encode("utf-8", "replace")[:at].decode("utf-8", "replace").encode("utf-16-le")) // 2 + 1


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
