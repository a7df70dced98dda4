"""Computes for about a second between trivial steps."""

from __future__ import annotations

from benchmarks.steps import add


async def burning(loops: int) -> None:
    """Count to *loops*, again and again."""
    while True:
        total = 0
        for i in range(loops):
            total += i
        await add(total, 1)
