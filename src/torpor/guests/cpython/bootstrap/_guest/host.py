"""Calls of the host, one function for each kind of request."""

from __future__ import annotations

from collections.abc import Callable

import _host  # type: ignore[import-not-found]  # built into the VM

call: Callable[[bytes], bytes] = _host.call


def message() -> bytes:
    """Return the host's message for this turn: one byte that says what to do, and the rest."""
    return call(b"I")


def answer(text: bytes) -> None:
    """Hand out the answer, once in each turn."""
    call(b"O" + text)


def set_clock(at: int) -> None:
    """Set the VM's clock to epoch milliseconds."""
    call(b"T" + at.to_bytes(8, "little", signed=True))


def impurity() -> bytes:
    """Return how often the clock was read and entropy drawn so far, as bytes to compare."""
    return call(b"P")


def counted(excused: bytes) -> None:
    """
    Say that the program's modules are evaluated: reads of the clock and draws of entropy count no more.

    Args:
        excused: those so far that did not count, as :func:`impurity` gives them.
    """
    call(b"C" + excused)


def derived(label: bytes) -> bytes:
    """Return 32 secret bytes that belong to this run and label."""
    return call(b"R" + label)
