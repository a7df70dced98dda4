"""The application of the tests that move worlds: each execution of a step is noted in a file."""

from __future__ import annotations

import os
from pathlib import Path

from torpor import Torpor, get_writable, hook

app = Torpor(os.environ.get("TORPOR_WORLD", "memory://"), name="moved", root=Path(__file__).parent)
NOTES = "MOVED_NOTES"


@app.step
async def note(run: str, n: int) -> int:
    """Write a line, and a value of the run's stream."""
    file = os.open(os.environ[NOTES], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, f"{run} {n}\n".encode())
    finally:
        os.close(file)
    stream = get_writable("notes")
    await stream.write(n)
    return n


@app.workflow
async def walk(run: str, steps: int) -> int:
    """Walk, wait, and walk on."""
    total = 0
    for n in range(steps):
        total += await note(run, n)
    gone: int = await hook(f"go-{run}")
    total += gone
    for n in range(steps, 2 * steps):
        total += await note(run, n)
    return total
