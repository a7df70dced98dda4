"""Starting threads, which the system may refuse: the one place that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from torpor.errors import HostError

P = ParamSpec("P")
T = TypeVar("T")

_REFUSED = "can't start new thread"  # as Python words it, whose class for it is RuntimeError


@contextmanager
def starting_thread(what: str) -> Iterator[None]:
    """
    Raise it as HostError when no thread can be started inside the block; what else is raised there passes.

    Args:
        what: what the thread is for.

    Raises:
        HostError: no thread could be started.
    """
    try:
        yield
    except RuntimeError as problem:
        if _REFUSED not in str(problem):
            raise
        raise HostError(
            f"{what}: no thread can be started; raise the limit of processes and threads (`ulimit -u`, or the "
            f"container's)"
        ) from problem


async def in_thread(what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Return what *function* returns, called in a thread, as :func:`asyncio.to_thread` does.

    Args:
        what: what it does, for the message.
        function: is called.
        args, kwargs: with these.

    Raises:
        HostError: no thread could be started. The function may be called nevertheless, when one can.
    """
    with starting_thread(what):
        return await asyncio.to_thread(function, *args, **kwargs)
