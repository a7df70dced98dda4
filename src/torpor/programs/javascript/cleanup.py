"""
Where JavaScript cleans up after errors: in ``catch`` and ``finally``, which are clauses or methods of promises.

Code of a run that is cancelled may ask for steps there, and its guest cannot tell by itself where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from torpor.programs.javascript.nodes import text_of, walk

Block = tuple[int, int, int, int]
"""First and last line and column, from 1, columns in UTF-16 units; the last one is behind the block."""

_LANGUAGE: Final = Language(tree_sitter_javascript.language())
_WORDS: Final = ("catch", "finally")


def cleanup_blocks(text: str) -> list[Block]:
    """Return the blocks of a module, as it is evaluated."""
    if not any(word in text for word in _WORDS):
        return []
    lines = text.encode().split(b"\n")
    root = Parser(_LANGUAGE).parse(text.encode()).root_node
    return [_place(node, lines) for node in _blocks(root)]


def _blocks(root: Node) -> Iterator[Node]:
    for node in walk(root):
        if node.type in {"catch_clause", "finally_clause"}:
            yield node
        elif node.type == "call_expression":
            function, given = node.child_by_field_name("function"), node.child_by_field_name("arguments")
            method = function and function.child_by_field_name("property")
            if given is not None and method is not None and text_of(method) in _WORDS:
                yield given


def _place(node: Node, lines: list[bytes]) -> Block:
    (first, begin), (last, end) = node.start_point, node.end_point
    return first + 1, _column(lines[first], begin), last + 1, _column(lines[last], end)


def _column(line: bytes, at: int) -> int:
    return len(line[:at].decode(errors="replace").encode("utf-16-le")) // 2 + 1
