"""
TypeScript that the parser's grammar lacks, or takes for something else, put so that it understands.

Nothing of this is evaluated: the parser gets another text of the same length, and places in it are places in the
author's. Only types are touched, or stand in the way of nothing when they are strings or comments.

* ``value as a.b.c``: a name of three parts behind ``as`` becomes one of one part.
* ``tag<Type>`…` ``, which would be two comparisons, loses its type.
* ``interface A<in out T>`` loses its variance; a signature that begins with ``<`` on a line of its own begins behind a
  semicolon, which the line before may do without. Both are done only when there is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from torpor.programs.javascript.nodes import walk

_LANGUAGE: Final = Language(tree_sitter_typescript.language_typescript())
_ASSERTIONS: Final = ("as_expression", "satisfies_expression")
_GAP: Final = rb"(?:\s|/\*(?s:.*?)\*/|//[^\n]*\n)*"
_VARIANCE: Final = re.compile(rb"[<,]" + _GAP + rb"((?:(?:const|in|out)\s+)+)(?=[A-Za-z_$])")
_SIGNATURE: Final = re.compile(rb"[\w$>)\]}](\n)" + _GAP + rb"<\s*(?:const\s+)?[A-Za-z_$][\w$]*\s*(?:[,>=]|extends\b)")
_LONG_NAME: Final = re.compile(rb"\b(?:as|satisfies)\s+[\w$]+\s*\.\s*[\w$]+\s*\.")
_TAG: Final = b">`"
_CLOSING: Final = {b">": b"<", b")": b"(", b"]": b"[", b"}": b"{"}


def parse(data: bytes) -> tuple[Node, list[tuple[int, int]]]:
    """Return the tree of a TypeScript module, and ranges of types that are not in it."""
    root = _parsed(data)
    if root.has_error:
        repaired = _SIGNATURE.sub(_ended, _VARIANCE.sub(_spaces, data))
        if repaired != data:
            root, data = _parsed(repaired), repaired
    if _LONG_NAME.search(data):
        dots = [at for node in walk(root) for at in _dots_of_type(node)]
        data = _with(data, dots, b"_")
        root = _parsed(data)
    tags: list[tuple[int, int]] = []
    if _TAG in data:
        tags = [found for node in walk(root) if (found := _type_of_tag(node, data)) is not None]
        for start, end in tags:
            data = data[:start] + b" " * (end - start) + data[end:]
        root = _parsed(data)
    return root, tags


def _parsed(data: bytes) -> Node:
    return Parser(_LANGUAGE).parse(data).root_node


def _spaces(found: re.Match[bytes]) -> bytes:
    whole, start, end = found[0], found.start(1) - found.start(), found.end(1) - found.start()
    return whole[:start] + re.sub(rb"\w", b" ", whole[start:end]) + whole[end:]


def _ended(found: re.Match[bytes]) -> bytes:
    at = found.start(1) - found.start()
    return found[0][:at] + b";" + found[0][at + 1 :]


def _with(data: bytes, places: list[int], byte: bytes) -> bytes:
    changed = bytearray(data)
    for at in places:
        changed[at : at + 1] = byte
    return bytes(changed)


def _dots_of_type(node: Node) -> Iterator[int]:
    """Yield the dots of a type of many parts of which the parser has taken the last ones for members of the value."""
    if node.type != "member_expression" or node.children[0].type not in _ASSERTIONS:
        return
    end = node
    while end.parent is not None and end.parent.type == "member_expression" and end.parent.children[0] == end:
        end = end.parent
    start = node.children[0].children[-1].start_byte
    text = (node.text or b"")[start - node.start_byte :]
    tail = b""
    if end != node:
        tail = (end.text or b"")[len(node.text or b"") :]
    for at, byte in enumerate(text + tail):
        if byte == 0x2E:
            yield start + at


def _type_of_tag(node: Node, data: bytes) -> tuple[int, int] | None:
    """Return where the type arguments are that the parser has taken for comparisons, if it has."""
    operator = node.children[1] if node.type == "binary_expression" else node
    if operator.type not in (">", ">>", ">>>") or data[operator.end_byte : operator.end_byte + 1] != b"`":
        return None
    open_brackets: list[bytes] = []
    for at in range(operator.end_byte - 1, 0, -1):
        byte = data[at : at + 1]
        if byte == b">" and data[at - 1 : at] == b"=":
            continue
        if byte in _CLOSING:
            open_brackets.append(_CLOSING[byte])
        elif open_brackets and byte == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return at, operator.end_byte
        elif byte in b"<([{" or (byte == b";" and open_brackets == [b"<"]):
            return None
    return None
