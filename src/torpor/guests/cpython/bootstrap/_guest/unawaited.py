"""
Steps, sleeps and hooks that a workflow asks for and forgets to await: what they were for has not happened.

Python warns of a coroutine that nobody awaits. A workflow that forgot to charge must not count as completed, so where
the call is a statement of its own, or its variable is never read, the run fails at its end. Any other call may have
been left for a reason, such as an error in what stands beside it; then the warning has to do.
"""

from __future__ import annotations

import ast
import linecache
import sys
import warnings
from itertools import islice
from types import CodeType, CoroutineType, FrameType
from typing import Any

from .finder import OWN, author_frame

CallSite = tuple[CodeType, int]
"""Where something was called: the code, and the offset of the instruction."""

_forgotten: list[str] = []
_unused_hooks: dict[int, tuple[str, CallSite | None]] = {}


def call_site(frame: FrameType | None) -> CallSite | None:
    """Return where a frame is, None without one."""
    return None if frame is None else (frame.f_code, frame.f_lasti)


def hook_made(op: int, token: str) -> None:
    """Note a hook, until something is done with it."""
    _unused_hooks[op] = token, call_site(author_frame(sys._getframe(1)))  # noqa: SLF001  # there is no other way to ask


def hook_used(op: int) -> None:
    """Note that a hook is awaited, iterated, entered, disposed of, or asked for its token or owner."""
    _unused_hooks.pop(op, None)


def complaint() -> str:
    """Return what was forgotten, and where; ``""`` when nothing was."""
    hooks = [
        f"hook {token!r} was made at {place} and nothing was done with it; await it"
        for token, site in _unused_hooks.values()
        if (place := _forgotten_at(site))
    ]
    return "; ".join((*_forgotten, *hooks))


def install() -> None:
    """Listen to Python's warnings of coroutines that were never awaited."""
    inner: Any = warnings
    warn = inner._warn_unawaited_coroutine  # noqa: SLF001  # what the interpreter calls

    def noting(coroutine: CoroutineType[Any, Any, Any]) -> None:
        _note(coroutine)
        warn(coroutine)

    inner._warn_unawaited_coroutine = noting  # noqa: SLF001  # as above


def _note(coroutine: CoroutineType[Any, Any, Any]) -> None:
    frame = coroutine.cr_frame
    if frame is None or not coroutine.cr_code.co_filename.startswith(OWN):
        return
    site = frame.f_locals.get("site")
    what = f"step {coroutine.__name__}" if site else f"{coroutine.__name__}()"
    place = _forgotten_at(site or call_site(author_frame(sys._getframe(1))))  # noqa: SLF001  # as above
    if place:
        _forgotten.append(f"{what} was called at {place} and never awaited, so it never began; await it")


def _forgotten_at(site: CallSite | None) -> str:
    """Return ``file:line`` of a call that is a statement, or is set to a variable that is never read; else ``""``."""
    if site is None:
        return ""
    code, offset = site
    span = next(islice(code.co_positions(), offset // 2, None), None)
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Call() as call):
                pass
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if name not in read:
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call) if name not in read:
                pass
            case _:
                continue
        if (call.lineno, call.end_lineno, call.col_offset, call.end_col_offset) == span:
            return f"{code.co_filename}:{call.lineno}"
    return ""
