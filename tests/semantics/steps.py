"""Steps of the workflows in both languages."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import Any, NoReturn, TypedDict, TypeVar

from tests.engine.support import TIMEOUT
from tests.semantics.application import app
from tests.semantics.plain_steps import break_elsewhere
from torpor import (
    Backoff,
    FatalError,
    RetryableError,
    RunHandle,
    UnknownOutcomeError,
    WorkflowMetadata,
    current_step,
    current_workflow,
)

QUICKLY = Backoff(first=0.01)


@app.step
async def render(template: str, values: dict[str, str]) -> str:
    """Fill a template in, as workflow code could not with a library that reads files."""
    return Template(template).substitute(values)


T = TypeVar("T")


class StepFacts(TypedDict):
    """What a step knows of itself."""

    id: str
    name: str
    run_id: str
    attempt: int
    started_at: datetime


@app.step
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@app.step
async def add_twice(n: int) -> int:
    """Call another step, which is a plain function here."""
    return await add(await add(n, 1), 1)


@app.step
async def echo(value: T) -> T:
    """Return the value."""
    return value


@app.step
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@app.step
def name_of_thread() -> str:
    """Return where it runs."""
    return threading.current_thread().name


@app.step
async def apply(function: Callable[..., Awaitable[Any]], *args: object) -> object:
    """Call a step that came as a value: inside a step that is a plain call."""
    return await function(*args)


@app.step
async def describe_itself() -> StepFacts:
    """Return what the step knows of itself."""
    me = current_step()
    return {
        "id": me.step_id,
        "name": me.name,
        "run_id": me.run_id,
        "attempt": me.attempt,
        "started_at": me.started_at,
    }


@app.step
async def describe_run() -> WorkflowMetadata:
    """Return what a step knows of the run that it works for."""
    return current_workflow()


@app.step(backoff=QUICKLY)
def describe_run_later() -> WorkflowMetadata:
    """Return the same at the second attempt, in a thread."""
    if current_step().attempt < 2:
        raise ConnectionError("not yet")
    return current_workflow()


@app.step
async def never() -> NoReturn:
    """Take until the run ends and cancels it."""
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets was set")


@app.step(backoff=QUICKLY)
async def unstable() -> int:
    """Succeed at the third attempt."""
    if current_step().attempt < 3:
        raise ConnectionError("not yet")
    return current_step().attempt


@app.step(max_retries=1, backoff=QUICKLY)
async def fails() -> None:
    """Never succeed."""
    raise ValueError("cannot")


@app.step(max_retries=0)
async def fails_across_files() -> None:
    """Fail in another file."""
    break_elsewhere()


@app.step(max_retries=0)
async def fails_once() -> None:
    """Fail, and be given no second chance."""
    raise ValueError("only once")


@app.step(backoff=QUICKLY, retry_on=(OSError, KeyError), never_retry=(FileNotFoundError,))
async def fails_with(kind: str) -> None:
    """Fail with one of several errors."""
    if kind == "later":
        raise RetryableError(kind, retry_after=0)
    if kind == "in an hour":
        raise RetryableError(kind, retry_after="1h")
    raise {"refused": ConnectionRefusedError, "missing": FileNotFoundError, "wrong": ValueError}[kind](kind)


@app.step(name="naps")
async def naps() -> None:
    """Take an hour."""
    await asyncio.sleep(3600)


@app.step(backoff=QUICKLY)
async def copies(gate: str, by: int) -> list[int]:
    """Copy something in two attempts; the second goes on where the first one was."""
    me = current_step()
    begun = me.progress or 0
    me.heartbeat(begun + by)
    if me.attempt == 1:
        await pass_gate(gate)
        me.heartbeat(begun + 2 * by)
        raise ConnectionError("the line is dead")
    return [begun, me.progress]


@app.step
async def refuses() -> None:
    """Fail for good."""
    raise FatalError("refused for good")


@app.step(backoff=QUICKLY)
async def asks_for_an_hour() -> int:
    """Ask for a retry in an hour, which is not what the backoff says."""
    if current_step().attempt == 1:
        raise RetryableError("the other side is closed", retry_after="1h")
    return current_step().attempt


@app.step
async def spawn(workflow: str, *args: object) -> RunHandle:
    """Start a run of a workflow."""
    return await app.start(workflow, *args)


@app.step
async def await_result(run: RunHandle) -> object:
    """Wait for a run that another one has started."""
    return await run.result()


@app.step
async def too_big() -> str:
    """Return more than a payload may have."""
    return "x" * (17 * 1024 * 1024)


DIARIES: defaultdict[str, list[str]] = defaultdict(list)
"""What steps have noted, by diary."""


@app.step
async def note(diary: str, text: str) -> None:
    """Note something."""
    DIARIES[diary].append(text)


@app.step
async def obey(diary: str) -> None:
    """Take until it is cancelled, and note that it was."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        DIARIES[diary].append("cancelled")
        raise


@app.step
def sleeps_in_thread(diary: str) -> None:
    """Look until it is told that it is not wanted any more."""
    me = current_step()
    while not me.cancelled:
        me.wait_cancelled(TIMEOUT)
    DIARIES[diary].append("told")


class Gate:
    """Where a step waits until a test lets it pass."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()


gates: defaultdict[str, Gate] = defaultdict(Gate)
"""By name, which each test makes up."""


@app.step
async def pass_gate(name: str) -> str:
    """Wait at a gate."""
    gate = gates[name]
    gate.reached.set()
    await gate.open.wait()
    return name


@app.step(effect="once", timeout="0.2s")
async def charge_once(how: str) -> str:
    """Charge, which must not happen twice."""
    DIARIES["charges"].append(current_step().run_id)
    match how:
        case "unknown":
            raise UnknownOutcomeError("the bank did not answer")
        case "late":
            await asyncio.Event().wait()
        case "refused":
            raise ConnectionRefusedError("the bank is closed")
    return "receipt"


MENDED: set[str] = set()
"""Names for which :func:`pay` succeeds."""

PAID: Counter[str] = Counter()
"""How often it was tried, by name."""


@app.step(max_retries=1, backoff=QUICKLY)
async def pay(name: str) -> str:
    """Fail until somebody has mended it."""
    PAID[name] += 1
    if name not in MENDED:
        raise ConnectionError(f"no bank for {name}")
    return f"paid {name}"


class Till:
    """A class with steps that need no object."""

    rate = 2

    @app.step
    @staticmethod
    async def price(cents: int) -> int:
        """Double."""
        return 2 * cents

    @app.step
    @classmethod
    async def rated(cls, cents: int) -> list[object]:
        """Say which class it is called on."""
        return [cls.__name__, cls.rate * cents]


class Market(Till):
    """Has a step of the same name, and inherits another."""

    rate = 3

    @app.step
    @staticmethod
    async def price(cents: int) -> int:
        """Treble."""
        return 3 * cents


@dataclass(frozen=True)
class Shelf:
    """A value with steps."""

    label: str
    boxes: int

    @app.step
    async def count(self, by: int) -> str:
        """Count, and tell whose shelf it is."""
        return f"{self.label}: {self.boxes * by}"

    @app.step
    async def moved(self, boxes: int) -> Shelf:
        """Return another one."""
        return Shelf(self.label, boxes)


@app.step
async def count_all(count: Callable[..., Awaitable[str]], shelves: list[Shelf], by: int) -> list[str]:
    """Call a method that came as a value."""
    return [await count(shelf, by) for shelf in shelves]


@app.step
async def count_of(shelf: Shelf) -> Callable[[int], Awaitable[str]]:
    """Return the method of one shelf."""
    return shelf.count


@app.step(max_retries=0)
async def fails_with_notes() -> None:
    """Raise an error with a cause and notes."""
    try:
        raise LookupError("innermost")
    except LookupError as cause:
        error = ValueError("outermost")
        error.add_note("look in the drawer")
        raise error from cause
