"""
Code that CPython's compiler does not survive.

Since 3.12 a comprehension is a part of the code around it, with a handler of errors of its own, as a ``with`` or a
``try`` has one. The compiler keeps the handlers that it is inside of in an array, and does not look whether a
comprehension still fits: from the 23rd on it writes behind the array, and the VM traps somewhere. Nobody else refuses
such code.
"""

from __future__ import annotations

import ast
from typing import Final

from torpor.errors import ConfigurationError

HANDLERS_MAX: Final = 20
"""Around a comprehension, itself counted; a coroutine has one more, around all."""

_FRAMES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp)
_BLOCKS: Final = (ast.With, ast.AsyncWith, ast.Try, ast.TryStar)


def refuse_deep_comprehensions(tree: ast.Module, label: str) -> None:
    """
    Do nothing for a module that compiles.

    Raises:
        ConfigurationError: a comprehension has too many others, and blocks with handlers, around it.
    """
    left: list[tuple[ast.AST, int]] = [(tree, 0)]
    while left:
        node, handlers = left.pop()
        if isinstance(node, _FRAMES):
            handlers = 0
        elif isinstance(node, ast.ExceptHandler):
            handlers += 2  # one that ends the exception, one that forgets its name
        elif isinstance(node, _BLOCKS):
            handlers += 1
        elif isinstance(node, _COMPREHENSIONS):
            handlers += 1
            if handlers > HANDLERS_MAX:
                raise ConfigurationError(
                    f"{label}:{node.lineno}: comprehensions, with and try are nested more than {HANDLERS_MAX} deep "
                    "here, and Python's compiler crashes on that; make a function of the inner ones"
                )
        left += [(child, handlers) for child in ast.iter_child_nodes(node)]
