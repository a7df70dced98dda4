"""Never waits for anything but trivial steps."""

from __future__ import annotations

from benchmarks.steps import add


async def hot() -> None:
    """Call steps for ever."""
    total = 0
    while True:
        total = await add(total, 1)
