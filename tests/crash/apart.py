"""Workers of ``tests/crash/freezing.py`` in processes of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

_ROOT = Path(__file__).parents[2]


async def start_apart(url: str, ledger: Path, *machine: str) -> asyncio.subprocess.Process:
    """
    Start a worker.

    Args:
        url: its world.
        ledger: where its step notes its attempts.
        machine: on which it is to seem to be; on this one without it.
    """
    command = (sys.executable, "-m", "tests.crash.freezing", url, str(ledger), *machine)
    return await asyncio.create_subprocess_exec(*command, cwd=_ROOT)


async def end_all(processes: Iterable[asyncio.subprocess.Process]) -> None:
    """Kill those that are still there."""
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
