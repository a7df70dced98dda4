"""
How guest code is ended from outside, and why nothing that it uses is freed before.

Guest code runs in threads. Each says whom it obeys, and every tick (see ``ticker.py``) asks whether to stop, so that it
ends within some milliseconds, wherever it is. Only then is its VM given back.

The end of the process is such a stop too. Python ends a daemon thread when it next wants the GIL; one that comes from
wasmtime into Python, at a tick for instance, would be unwound through frames that cannot be unwound, which is a crash.
So at exit nobody may enter wasmtime any more, and Python waits until everybody has left.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

from torpor.errors import VmInterruptedError

TICK_SECONDS = 0.002
"""Between two ticks: for so long a guest keeps the GIL from whoever wants it, once it has ticked."""

FIRST_TICK_SECONDS = 0.005
"""
Before the first: for so long, nearly always, a guest has the GIL without a break. Longer than the kernel's own tick, at
250 of them a second: to be woken before that has the kernel set the machine's timer, and set it back after each call,
which costs three times as much as a call into the kernel does, and caches.
"""

_LOOK_SECONDS = 0.001

_inside: dict[int, int] = {}
"""Threads that are in wasmtime where it may call Python → how deep. Each thread writes its own entry only."""

_obeyed = threading.local()


class _Batch(threading.local):
    ends: list[Callable[[], None]] | None = None  # of what this thread's batch has begun; None without a batch


_batch = _Batch()


class _Exit:
    begun = False


def yield_to_others() -> None:
    """Hand the GIL to whoever waits for it."""
    time.sleep(0)


def obey(stopped: Callable[[], bool], rest: Callable[[], None] = yield_to_others) -> None:
    """
    Set what guest code of this thread does at each tick.

    Args:
        stopped: once it is true, guest code ends, and none begins; it is called in this thread.
        rest: lets others compute; it is called in this thread too.
    """
    _obeyed.stopped, _obeyed.rest = stopped, rest


def begin_batch() -> None:
    """
    Begin a batch of calls into guests on this thread, unless it has one: what is needed around each call begins with
    the first and ends with :func:`end_batch`.
    """
    if _batch.ends is None:
        _batch.ends = []


def end_batch() -> None:
    """End the batch of this thread, if it has one; no guest runs on it."""
    ends, _batch.ends = _batch.ends, None
    for end in ends or ():
        end()


def has_batch() -> bool:
    """Say whether this thread has a batch."""
    return _batch.ends is not None


def is_begun(end: Callable[[], None]) -> bool:
    """Say whether what *end* ends has begun in this thread's batch; it is to begin now otherwise, and ends with it."""
    if _batch.ends is None:
        return False
    if end in _batch.ends:
        return True
    _batch.ends.append(end)
    return False


def rest() -> None:
    """Let others compute, where guest code of this thread has run for a tick."""
    resting: Callable[[], None] = getattr(_obeyed, "rest", yield_to_others)
    resting()


def interruption() -> VmInterruptedError | None:
    """Return what to raise instead of going on with guest code in this thread, or None when it may go on."""
    if _Exit.begun:
        return VmInterruptedError("the process ends; the run goes on when a worker takes it up again")
    stopped: Callable[[], bool] | None = getattr(_obeyed, "stopped", None)
    if stopped is not None and stopped():
        return VmInterruptedError("nobody waits for the VM any more; the run goes on when a worker takes it up again")
    return None


def enter() -> int:
    """
    Note that this thread enters wasmtime, and return what :func:`leave` takes; for what is too hot for :func:`inside`.

    Raises:
        VmInterruptedError: the process ends.
    """
    me = get_ident()
    depth = _inside.get(me, 0)
    _inside[me] = depth + 1
    # Looked at after the entry was made, as the exit looks at entries after it began: one of the two sees the other.
    if _Exit.begun and not depth:
        del _inside[me]
        raise VmInterruptedError("the process ends; no guest code is run any more")
    return me


def leave(me: int) -> None:
    """Note that this thread has left wasmtime."""
    depth = _inside[me] - 1
    if depth:
        _inside[me] = depth
    else:
        del _inside[me]


@contextmanager
def inside() -> Iterator[None]:
    """
    Enter wasmtime for the time of the block.

    Raises:
        VmInterruptedError: the process ends.
    """
    me = enter()
    try:
        yield
    finally:
        leave(me)


@atexit.register
def _empty() -> None:
    """Let nobody enter wasmtime any more and wait until all others have left."""
    _Exit.begun = True
    while _inside.keys() - {get_ident()}:
        time.sleep(_LOOK_SECONDS)


os.register_at_fork(after_in_child=_inside.clear)
