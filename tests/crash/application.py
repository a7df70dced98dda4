"""The application of the crash tests: steps that write each of their executions into a file."""

from __future__ import annotations

import os
from pathlib import Path

from torpor import Backoff, Torpor, current_step
from torpor.testing.crash import CrashAt

app = Torpor(os.environ.get("TORPOR_WORLD", "memory://"), root=Path(__file__).parent)
app.workflows("flows/*.js")

crash = CrashAt(os.environ.get("CRASH_POINT", ""), int(os.environ.get("CRASH_NTH", "1")))


@app.step(backoff=Backoff(first=0.01))
async def add(a: int, b: int) -> int:
    """Add, and note it."""
    _note("add")
    crash("while a step runs")
    return a + b


@app.step(backoff=Backoff(first=0.01))
def flaky(value: int) -> int:
    """Fail the first time."""
    _note("flaky")
    if current_step().attempt == 1:
        raise ConnectionError("the first attempt always fails")
    return value


def _note(name: str) -> None:
    """Append one line; a single small write to an O_APPEND file is whole even when the process dies after it."""
    step = current_step()
    line = f"{step.run_id} {step.step_id} {name} {step.attempt}\n"
    file = os.open(os.environ["CRASH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
