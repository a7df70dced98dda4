"""Steps that end in odd ways, or only when a test says so."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, defaultdict

from tests.engine.application import app
from tests.engine.support import TIMEOUT
from torpor import Backoff, RetryableError, current_step

QUICKLY = Backoff(first=0.01)


class Gate:
    """
    Where a step stands until the test lets it go.

    Attributes:
        arrivals: released each time that an attempt gets there.
        open: they may go on.
        given_up: attempts that were cancelled there.
    """

    def __init__(self) -> None:
        self.arrivals = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.given_up: list[int] = []

    async def reached(self) -> None:
        """Return once one more attempt has got there."""
        async with asyncio.timeout(TIMEOUT):
            await self.arrivals.acquire()


gates: defaultdict[str, Gate] = defaultdict(Gate)
"""The gate of each run's step, by run id."""

executions: Counter[str] = Counter()
"""How often ``counted`` was executed, by run id."""


class OddError(BaseException):
    """Not an Exception."""


class MuteError(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@app.step(name="cancelsItself", max_retries=1, backoff=QUICKLY)
async def cancels_itself() -> None:
    """End with the CancelledError of something inside the step."""
    inner = asyncio.ensure_future(asyncio.sleep(60))
    inner.cancel()
    await inner


@app.step(name="wrongDelay", max_retries=1, backoff=QUICKLY)
async def wrong_delay() -> None:
    """Ask for a retry at no time at all."""
    raise RetryableError("not now", retry_after=[5])  # type: ignore[arg-type]  # a mistake that is easily made


@app.step(max_retries=1, backoff=QUICKLY)
async def odd() -> None:
    """Raise what is no Exception."""
    raise OddError


@app.step(max_retries=1, backoff=QUICKLY)
async def mute() -> None:
    """Raise what cannot be told."""
    raise MuteError


@app.step(max_retries=1, backoff=QUICKLY)
def stops() -> None:
    """Raise StopIteration in a thread."""
    next(iter(()))


@app.step(max_retries=1, backoff=QUICKLY)
def leaves() -> None:
    """Raise in a thread what closes generators."""
    raise GeneratorExit


@app.step(name="leavesAsync", max_retries=1, backoff=QUICKLY)
async def leaves_async() -> None:
    """Raise what closes coroutines, after a wait."""
    await asyncio.sleep(0)
    raise GeneratorExit


@app.step(max_retries=1, backoff=QUICKLY)
async def exits() -> None:
    """Ask the process to end."""
    sys.exit("enough")


@app.step(max_retries=1, backoff=QUICKLY)
async def interrupts() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


@app.step
async def big(text: str) -> int:
    """Take a large argument."""
    return len(text)


@app.step
async def held() -> str:
    """Wait at the run's gate."""
    gate = gates[current_step().run_id]
    gate.arrivals.release()
    try:
        await gate.open.wait()
    except asyncio.CancelledError:
        gate.given_up.append(current_step().attempt)
        raise
    return "done"


@app.step
async def stubborn() -> str:
    """Wait at the run's gate, whoever cancels."""
    gate = gates[current_step().run_id]
    gate.arrivals.release()
    while not gate.open.is_set():
        try:
            await gate.open.wait()
        except asyncio.CancelledError:
            continue
    return "done"


@app.step(max_retries=0, timeout=1.9)
def naps(ms: int) -> int:
    """Hold a thread; return the number of the attempt."""
    time.sleep(ms / 1000)
    return current_step().attempt


@app.step
async def counted() -> int:
    """Return how often this was executed for the run."""
    executions[current_step().run_id] += 1
    return executions[current_step().run_id]
