"""
Which payloads are too large to be encoded or decoded on an event loop, and how that is done elsewhere.

Encoding a megabyte takes a tenth of a second and more, in which a worker's event loop would tell nobody that it lives,
and give no other run its turn. A thread does it instead, one payload at a time, since what a payload of 16 MiB becomes
may have gigabytes. Small payloads, which are nearly all, cost less than the way to a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from torpor.codec.wire.envelope import content_bytes
from torpor.limits import OFF_LOOP_BYTES

P = ParamSpec("P")
T = TypeVar("T")

_one_thread = ThreadPoolExecutor(1, thread_name_prefix="torpor-payload")

_NODE_BYTES = 8
"""What a value inside another is counted as, beside its own content."""


async def in_thread_if(large: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what *function* returns, called in a thread when the payload that it works on is large."""
    if large:
        work = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        try:
            waiting = asyncio.get_running_loop().run_in_executor(_one_thread, work)
        except RuntimeError:  # no thread can be started, or the process ends: slow is better than not at all
            return function(*args, **kwargs)
        return await waiting
    return function(*args, **kwargs)


def is_large_payload(data: bytes) -> bool:
    """Return whether decoding an envelope, which is not encrypted any more, would hold an event loop up."""
    size = content_bytes(data)
    return size is None or size > OFF_LOOP_BYTES


def is_large_value(value: object) -> bool:
    """
    Return whether encoding a value would hold an event loop up; found without looking at more of it than it takes.

    Objects that show nothing of their size count as small.
    """
    left = OFF_LOOP_BYTES
    ahead = [value]
    try:
        while ahead:
            size, inside = _weight(ahead.pop())
            left -= _NODE_BYTES + size
            if left < 0:
                return True
            ahead += inside
    except Exception:  # noqa: BLE001  # a user's class may do anything when it is looked at; encoding it will tell
        return False
    return False


def _weight(value: object) -> tuple[int, Sequence[Any]]:
    """Return the size of a value without what is in it, at least as many bytes as it has parts, and its parts."""
    match value:
        case str() | bytes() | bytearray():
            return len(value), ()
        case int():
            return value.bit_length() // 8, ()
        case Mapping():
            if len(value) > OFF_LOOP_BYTES:
                return len(value), ()
            return 0, [*value.keys(), *value.values()]
        case Sequence() | AbstractSet():
            return (len(value), ()) if len(value) > OFF_LOOP_BYTES else (0, [*value])
    bytes_of_array = getattr(value, "nbytes", 0)
    if isinstance(bytes_of_array, int) and bytes_of_array:
        return bytes_of_array, ()
    if type(value).__module__.partition(".")[0] == "torpor":  # a handle, which leads to all the rest of us
        return 0, ()
    return 0, [*getattr(value, "__dict__", {}).values()]
