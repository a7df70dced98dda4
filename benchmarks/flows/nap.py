"""Sleeps, and nothing else."""

from __future__ import annotations

from torpor import sleep


async def nap(ms: int) -> int:
    """Return the number of milliseconds slept."""
    await sleep(ms / 1000)
    return ms
