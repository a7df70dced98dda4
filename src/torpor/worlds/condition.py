"""What is told of the place that a world is in; see :mod:`.conditions`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """
    One thing that matters about the place of a world.

    Attributes:
        name: what was looked at, one word.
        status: ``failed`` when runs may be lost, or cannot go on; ``note`` when somebody should know.
        text: for people: what is, and what to do about it.
        facts: for programs; sizes in bytes, durations in milliseconds.
    """

    name: str
    status: Literal["ok", "note", "failed"]
    text: str
    facts: dict[str, Any] = {}


def condition(name: str, good: str, facts: dict[str, Any], *, failed: list[str], notes: list[str]) -> Condition:
    """Return a condition that is as bad as the worst that was found, with all of that, else *good*."""
    if failed or notes:
        return Condition(name, "failed" if failed else "note", "; ".join([*failed, *notes]), facts)
    return Condition(name, "ok", good, facts)


def size_text(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
