"""The steps that the benchmarks' workflows call: nothing in them takes time unless that is what they are for."""

from __future__ import annotations

import asyncio
import os

from torpor import current_step

PAUSE_SECONDS = 0.003


async def add(a: int, b: int) -> int:
    """Return the sum."""
    return a + b


async def echo(text: str) -> str:
    """Return what was given."""
    return text


async def pause(total: int, ledger: str) -> int:
    """Write this execution into the ledger, take 3 ms, and return one more."""
    line = f"{current_step().step_id}\n"
    # One small write to an O_APPEND file is whole even when the process dies right after it.
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
    await asyncio.sleep(PAUSE_SECONDS)
    return total + 1
