"""
What a module that goes in whole needs from elsewhere: of its names nothing has to be known, so that one look is enough.

A large package has a thousand modules with expressions nested a thousand deep; the look recurses into none of them.
"""

from __future__ import annotations

import ast

from torpor.programs.python.scopes import Chain, Import, chain_of, does_without, import_by_call, imports_of


def imports_in(text: str, tree: ast.Module) -> list[Import]:
    """Return all imports of a module, at any depth, in the order of their lines."""
    found: list[Import] = []
    lines = text.split("\n")
    # Most statements have no such word in them, and most of the time would go into looking at what they have.
    ahead: list[tuple[ast.AST, bool]] = [
        (each, False)
        for each in tree.body
        if any("import" in line for line in lines[each.lineno - 1 : each.end_lineno])
    ]
    while ahead:
        node, optional = ahead.pop()
        match node:
            case ast.Import() | ast.ImportFrom():
                found += imports_of(node, optional=optional)
            case ast.Call() if called := import_by_call(node, optional=optional):
                found.append(called)
            case ast.Try() if any(map(does_without, node.handlers)):
                ahead += ((part, True) for part in node.body)
                ahead += ((part, optional) for part in (*node.handlers, *node.orelse, *node.finalbody))
                continue
            case _:
                pass
        ahead += ((child, optional) for child in ast.iter_child_nodes(node))
    return sorted(found, key=lambda each: each.line)


def versions_in(text: str, tree: ast.Module) -> set[Chain]:
    """Return the chains of a module that may ask for a version."""
    if "version" not in text.lower():
        return set()
    named = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and "version" in node.attr.lower())
    return {chain for node in named if (chain := chain_of(node)) is not None}
