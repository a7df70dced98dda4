"""What the readers of syntax trees have in common."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node


def text_of(node: Node) -> str:
    """Return what stands in the module for a node."""
    return (node.text or b"").decode(errors="replace")


def field_of(node: Node, name: str) -> Node:
    """Return a part of a node that the grammar says is there."""
    found = node.child_by_field_name(name)
    assert found is not None, f"{node.type} has no {name}"
    return found


def parent_of(node: Node) -> Node:
    """Return what a node that is not the root is part of."""
    assert node.parent is not None
    return node.parent


def walk(root: Node) -> Iterator[Node]:
    """Yield every node, tokens too, in source order."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))
