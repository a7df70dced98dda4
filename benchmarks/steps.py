"""The steps that the benchmarks' workflows call: nothing in them takes time unless that is what they are for."""

from __future__ import annotations

import asyncio
import os
import struct
import time

from torpor import WritableStream, current_step, get_readable

PAUSE_SECONDS = 0.003
READY = "ready"
"""The stream by whose end a reader says that it is there."""

_TIME = struct.Struct("d")


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


async def write(writable: WritableStream, chunks: int, size: int, pause: float) -> int:
    """Write so many chunks of so many bytes, each with the time in front, once there is a reader."""
    async for _ in get_readable(READY):
        pass
    rest = bytes(size - _TIME.size)
    for _ in range(chunks):
        await writable.write(_TIME.pack(time.monotonic()) + rest)
        if pause:
            await asyncio.sleep(pause)
    await writable.close()
    return chunks


def written_at(chunk: bytes) -> float:
    """Return the time in front of a chunk."""
    (found,) = _TIME.unpack_from(chunk)
    return float(found)
