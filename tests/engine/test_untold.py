"""Errors of ours in the middle of a worker's work: nothing stays claimed by a worker that does nothing with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.application import app as application
from tests.engine.odd_steps import executions, gates
from tests.engine.support import PATIENCE, has_event
from torpor import Backoff, Torpor, WorkerSettings
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine import worker as worker_module
from torpor.engine.attempts import Attempt
from torpor.engine.driver import run_turn
from torpor.engine.observer import AttemptEnded, Observation, Remark
from torpor.engine.settings import TurnOptions
from torpor.engine.step_definition import StepDefinition
from torpor.engine.steps import Steps
from torpor.engine.untold import untold
from torpor.engine.worker import Worker
from torpor.errors import HostError
from torpor.model import Event
from torpor.testing.clock import ManualClock

_APART = WorkerSettings(turn=TurnOptions(inline_steps=0))
"""Steps are tasks at once."""


def _once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Callable[[], int]:
    """Let a method fail at its first call; return what tells how often it was called."""
    real, calls = getattr(owner, name), 0

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("an error of ours")
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, failing)
    return lambda: calls


@pytest.mark.parametrize("settings", [WorkerSettings(), _APART], ids=["inline", "as a task"])
async def test_a_failure_that_cannot_be_told_is_retried(
    database: str, monkeypatch: pytest.MonkeyPatch, settings: WorkerSettings
) -> None:
    """What makes an event of an error fails itself; the attempt is one that failed, and the next one is made."""
    called = _once(monkeypatch, Steps, "_failure")
    app = application.on(database, settings=settings)
    async with app, app.worker():
        run = await app.start("callsOdd", "odd")
        assert await run.result(timeout=PATIENCE) == "StepError"
        assert [event.type for event in await run.events()].count("step_retrying") == 1
    assert called() == 2


async def test_a_result_behind_which_something_fails_is_not_lost_for_good(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is executed again, as after the death of a worker."""
    called = _once(monkeypatch, Steps, "_event")
    app = application.on(database)
    async with app, app.worker():
        run = await app.start("counts")
        assert await run.result(timeout=PATIENCE) == 2
    assert executions[run.id] == 2
    assert called() >= 2


@pytest.mark.parametrize(
    ("owner", "name"), [(Worker, "_begin_step"), (Worker, "_begin_turn"), (Steps, "why_not"), (Steps, "place_of")]
)
async def test_what_cannot_be_begun_is_given_back(
    database: str, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """A claimed turn or step comes back soon, and the others that were claimed with it begin."""
    monkeypatch.setattr(worker_module, "_GIVEN_UP_MS", 1)
    called = _once(monkeypatch, owner, name)
    app = application.on(database, settings=_APART)
    async with app:
        runs = [await app.start("isHeld") for _ in range(3)]
        for run in runs:
            gates[run.id].open.set()
        async with app.worker():
            assert [await run.result(timeout=PATIENCE) for run in runs] == ["done"] * 3
    assert called() >= 4


async def test_a_turn_that_cannot_even_be_given_back_is_given_back_later(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends its driver, the run is ready again."""
    monkeypatch.setattr(worker_module, "_GIVEN_UP_MS", 1)
    real, failed = run_turn, False

    async def failing(*args: Any) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise RuntimeError("an error of ours")
        await real(*args)

    monkeypatch.setattr(worker_module, "run_turn", failing)
    app: Torpor = application.on(database)
    async with app, app.worker():
        run = await app.start("counts")
        assert await run.result(timeout=PATIENCE) == 1
        await has_event(app, run, "run_completed")
    assert failed


_ATTEMPT = Attempt("wrun_1", "step_1", 1, "step//./a.py//pay", 2, 1, b"", PLAIN)
_DEFINITION = StepDefinition("step//./a.py//pay", print, max_retries=1, backoff=Backoff(first=1.0, factor=1.0))


@pytest.mark.parametrize(
    ("definition", "problem", "event", "outcome"),
    [
        (_DEFINITION, RuntimeError("odd"), "step_failed", "failed"),
        (replace(_DEFINITION, max_retries=2), RuntimeError("odd"), "step_retrying", "retrying"),
        (_DEFINITION, HostError("no thread"), "step_retrying", "retrying"),
        (_DEFINITION, MemoryError(), "step_retrying", "retrying"),
        (replace(_DEFINITION, once=True), RuntimeError("odd"), "step_blocked", "blocked"),
        (None, RuntimeError("odd"), "step_retrying", "retrying"),
    ],
)
async def test_what_it_comes_to(
    definition: StepDefinition | None, problem: Exception, event: str, outcome: str
) -> None:
    """A failure like others; a lack of the host ends no step, and what must not happen twice waits for a person."""
    told: list[Observation] = []
    found = await untold(definition, _ATTEMPT, problem, ManualClock(), told.append)
    assert found.type == event
    assert (found.due > found.at) == (event == "step_retrying")
    assert [each.outcome for each in told if isinstance(each, AttemptEnded)] == [outcome]
    assert [each.level for each in told if isinstance(each, Remark)] == [logging.ERROR]


async def test_it_is_told_once_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no memory for an event, there is some later."""
    called = _once(monkeypatch, type(PLAIN), "dumps")
    clock = ManualClock()
    found: list[Event] = []

    async def tell() -> None:
        found.append(await untold(_DEFINITION, _ATTEMPT, RuntimeError("odd"), clock, lambda _: None))

    telling = asyncio.create_task(tell())
    await asyncio.sleep(0)
    assert not found
    clock.advance(1_000)
    await telling
    assert found[0].type == "step_failed"
    assert called() == 2
