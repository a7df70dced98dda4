"""What observers of a worker are told, and what becomes of their own errors."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar

import pytest

from tests.engine.application import app as application
from tests.engine.support import PATIENCE, until
from torpor.engine.failpoints import Failpoint, InjectedError
from torpor.engine.images import Images
from torpor.engine.observer import (
    AttemptBegan,
    AttemptEnded,
    Observation,
    RunSnoozed,
    Stored,
    TurnBegan,
    TurnEnded,
    WorkerBegan,
    WorkerStopped,
    WorkerUnwell,
    all_of,
    ignore,
    only,
)
from torpor.errors import HostError

T = TypeVar("T")


class Sighting:
    """An observer that can be waited for."""

    def __init__(self) -> None:
        self._seen: list[Observation] = []
        self._more = asyncio.Event()

    def __call__(self, observation: Observation) -> None:
        self._seen.append(observation)
        self._more.set()

    async def first(self, kind: type[T]) -> T:
        """Return the first observation of a kind."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._more.clear()
                for each in self._seen:
                    if isinstance(each, kind):
                        return each
                await self._more.wait()


async def test_a_run_is_observed_from_its_turn_to_its_end(database: str) -> None:
    """Who runs it, what is stored of it, each attempt of its steps, and how its turn ends; failpoints among it."""
    seen: list[Observation] = []
    async with application.on(database) as app, app.worker(observers=[seen.append]) as worker:
        run = await app.start("callsOdd", "odd")
        assert await run.result(timeout=PATIENCE) == "StepError"
        await worker.wait_idle(timeout=PATIENCE)
        log = await run.events()

    assert seen[0] == WorkerBegan(worker.id, app.name)
    assert seen[-1] == WorkerStopped(worker.id)
    turns = [each for each in seen if isinstance(each, TurnBegan)]
    assert (turns[0].run_id, turns[0].workflow.rpartition("//")[2], turns[0].redeliveries) == (run.id, "callsOdd", 1)
    assert [each.how for each in seen if isinstance(each, TurnEnded)] == ["parked", "ended"]
    attempts = [
        (each.attempt, "began") if isinstance(each, AttemptBegan) else (each.attempt, each.outcome)
        for each in seen
        if isinstance(each, (AttemptBegan, AttemptEnded))
    ]
    assert attempts == [(1, "began"), (1, "retrying"), (2, "began"), (2, "failed")]
    stored = [event.type for each in seen if isinstance(each, Stored) for event in each.events]
    assert stored == [event.type for event in log][1:]
    assert {Failpoint.AFTER_CLAIM, Failpoint.WHILE_PARKING, Failpoint.BEFORE_STEP_OUTCOME} <= set(seen)


async def test_hooks_are_observed_as_they_were_stored(database: str) -> None:
    """A token that was taken is told as taken."""
    seen: list[Observation] = []
    async with application.on(database) as app, app.worker(observers=[seen.append]):
        first = await app.start("waits", "token")
        await until(app, lambda: app.world.snapshot(first.id))
        second = await app.start("waits", "token")
        await until(app, lambda: app.world.snapshot(second.id))
    hooks = [
        (each.run_id, event.type, event.ref)
        for each in seen
        if isinstance(each, Stored)
        for event in each.events
        if event.type.startswith("hook_")
    ]
    assert hooks == [(first.id, "hook_created", ""), (second.id, "hook_conflict", first.id)]


async def test_an_observer_that_fails_harms_nobody(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is told, it raises: runs end, the other observers are told, and each kind is logged once."""

    def broken(_: Observation) -> None:
        raise ValueError("a bug of the observer's")

    seen: list[Observation] = []
    async with application.on(database) as app, app.worker(observers=[broken, seen.append]):
        for n in range(2):
            run = await app.start("addTen", n)
            assert await run.result(timeout=PATIENCE) == n + 10
    told = [text for text in caplog.messages if text.startswith("observer ")]
    assert sorted(told) == sorted(
        f"observer {broken!r} failed at a {name}; it is told once" for name in {type(each).__name__ for each in seen}
    )
    assert "a bug of the observer's" in caplog.text


@pytest.mark.parametrize("observation", [Failpoint.AFTER_COMMIT, WorkerStopped("wrkr_1")])
def test_an_error_is_injected_at_failpoints_only(observation: Observation) -> None:
    """Elsewhere it is an error of the observer's, as any other."""

    def inject(_: Observation) -> None:
        raise InjectedError(OSError("on purpose"))

    told: list[Observation] = []
    at_a_failpoint = isinstance(observation, Failpoint)
    with pytest.raises(OSError, match="on purpose") if at_a_failpoint else contextlib.nullcontext():
        all_of([inject, told.append])(observation)
    assert told == ([] if at_a_failpoint else [observation])


def test_an_observer_is_told_what_it_wants() -> None:
    """Alone, and among others."""
    seen: list[Observation] = []
    wants_stops = only(seen.append, WorkerStopped)
    for observe in (wants_stops, all_of([ignore, wants_stops])):
        for observation in (Failpoint.AFTER_CLAIM, WorkerBegan("wrkr_1", "shop"), WorkerStopped("wrkr_1")):
            observe(observation)
    assert seen == [WorkerStopped("wrkr_1")] * 2


async def test_an_attempt_that_is_cancelled_ends_too(database: str) -> None:
    """Whoever measures attempts finds an end for each beginning."""
    sighting = Sighting()
    async with application.on(database) as app, app.worker(observers=[sighting]):
        run = await app.start("runsSlow", 600_000)
        await sighting.first(AttemptBegan)
        await run.cancel()
        assert (await sighting.first(AttemptEnded)).outcome == "cancelled"


async def test_a_run_that_is_snoozed_is_observed_with_its_reason(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn ends so."""
    sighting = Sighting()

    async def lacks_memory(*_: object) -> None:
        raise HostError("no memory")

    monkeypatch.setattr(Images, "of", lacks_memory)
    async with application.on(database) as app, app.worker(observers=[sighting]):
        run = await app.start("addTen", 1)
        snoozed = await sighting.first(RunSnoozed)
        assert (snoozed.run_id, snoozed.why, snoozed.times) == (run.id, "no memory", 1)
        assert (await sighting.first(TurnEnded)).how == "snoozed"
        assert (await sighting.first(WorkerUnwell)).delay_ms > 0
