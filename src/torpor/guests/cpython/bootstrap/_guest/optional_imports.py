"""Imports that a program does without: ``try: import orjson`` with an ``except ImportError``."""

from __future__ import annotations

import ast
import linecache
from types import FrameType

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def expects_import_error(frame: FrameType) -> bool:
    """Tell whether the line that a frame is at stands in a ``try`` that catches a failing import."""
    text = "".join(linecache.getlines(frame.f_code.co_filename))
    return any(
        node.body[0].lineno <= frame.f_lineno <= (node.body[-1].end_lineno or 0) and any(map(_catches, node.handlers))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Try)
    )


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CAUGHT) for kind in kinds)
