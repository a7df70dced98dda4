"""The application whose tenants these tests have, and what its steps were given."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Any

from torpor import Backoff, RunHandle, Torpor, current_step, get_writable

app = Torpor("memory://", name="", root=Path(__file__).parent)
done: list[Any] = []


@app.step
async def note(value: object) -> object:
    """Keep what it is given, and return it."""
    done.append(value)
    return value


@app.step
async def look(run: RunHandle) -> str:
    """Tell how a run does that arrives as a value."""
    return await run.status()


@app.step
async def write(stream: Any, value: str) -> str:
    """Write to a stream that arrives as a value."""
    await stream.write(value)
    return "written"


@app.step
async def pour(megabytes: int) -> None:
    """Write so much to the run's stream."""
    stream = get_writable()
    for _ in range(megabytes):
        await stream.write("x" * 1_000_000)


@app.step
async def whose() -> str:
    """Tell whose run it is for."""
    return current_step().run_id


@app.step(queue="ours")
async def queued(value: object) -> object:
    """Do as ``note`` does, in a queue of the application's own."""
    done.append(value)
    return value


@app.step(queue="ours", backoff=Backoff(first=0.001))
async def queued_fails(times: int) -> int:
    """Do as ``fails`` does, in that queue."""
    return await fails(times)


@app.step(backoff=Backoff(first=0.001))
async def fails(times: int) -> int:
    """Fail so many times, before it returns the number of its attempt."""
    attempt = current_step().attempt
    done.append(attempt)
    if attempt <= times:
        raise ConnectionError("not yet")
    return attempt


@app.step
async def held(most: int) -> None:
    """
    Hold one of so many locks until a test says ``go``.

    The kernel gives a lock back when its process dies. Who finds none left is awake beside as many as may be.
    """
    folder = Path(os.environ["TENANTS_LEDGER"])
    lock = _lock(folder, most)
    ledger = os.open(folder / "begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{os.getpid()} {current_step().run_id}\n".encode())  # one line, whole even if we die here
    os.close(ledger)
    while not (folder / "go").exists():  # noqa: ASYNC110  # nobody tells of files
        await asyncio.sleep(0.005)
    os.close(lock)


def _lock(folder: Path, most: int) -> int:
    for n in range(most):
        file = os.open(folder / f"lock-{n}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return file
    (folder / "passed").touch()
    raise AssertionError(f"more than {most} runs are awake")


@app.step
async def unlisted(command: str) -> str:
    """Do what no tenant may ask for."""
    done.append(command)
    return command


@app.workflow
async def victim() -> object:
    """Run as one of the application's own."""
    return await note("ours")
