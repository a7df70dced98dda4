"""Who lives and what is due: by the world's clock, whatever the wall clock does; others finish what the dead had."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from tests.engine.application import app as application
from tests.engine.odd_steps import gates
from tests.engine.support import PATIENCE, until
from torpor import RunHandle, Torpor, WorkerSettings
from torpor.clock import SystemClock
from torpor.engine import liveness
from torpor.engine.observer import ignore
from torpor.engine.retry import Retrying
from torpor.engine.settings import TurnOptions
from torpor.engine.timekeeping import Timekeeping
from torpor.engine.worker import Worker
from torpor.errors import WorldError
from torpor.lifecycle import EventType
from torpor.model import ClaimRequest, Heartbeat, WorkerRow
from torpor.retries import Backoff
from torpor.testing.clock import ManualClock

SECOND = 1_000
HOUR = 3_600 * SECOND
SETTINGS = WorkerSettings(lease_ms=15 * SECOND, heartbeat_ms=SECOND, grace_seconds=0.2)

host: ContextVar[str] = ContextVar("host", default="A")


@pytest.fixture(autouse=True)
def _no_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers not keep the time of schedules, so that it is known how many of their loops wait for the clock."""

    async def wait(_self: Timekeeping) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Timekeeping, "round_and_wait", wait)


@pytest.fixture
def clock() -> ManualClock:
    """The world's clock."""
    return ManualClock()


@pytest.fixture
async def app(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Torpor]:
    """An open application on a file, under the clock."""
    async with application.on(f"sqlite:///{tmp_path}/torpor.db", clock=clock, settings=SETTINGS) as opened:
        yield opened


@pytest.fixture
async def elsewhere(app: Torpor, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Torpor]:
    """The same application, as it is open on another machine."""
    monkeypatch.setattr(liveness, "machine", host.get)
    async with application.on(app.world.url, clock=clock, settings=SETTINGS) as opened:
        yield opened


async def a_second_passes(app: Torpor, clock: ManualClock, *workers: Worker, silent: int = 0) -> None:
    """
    Let a second pass, and return when each of these workers has been heard of.

    Args:
        app, clock: theirs.
        workers: those that are heard of.
        silent: how many others there are.
    """

    async def all_wait() -> bool:
        return clock.waiting >= 3 * len(workers) + 2 * silent  # for their next heartbeat, deployment and upkeep

    async def are_heard() -> bool:
        seen = {row.id: row.seen_at for row in await app.world.workers()}
        return all(seen.get(worker.id) == app.clock.now() for worker in workers)

    await until(app, all_wait)
    clock.advance(SECOND)
    await until(app, are_heard)


async def outcomes(run: RunHandle) -> list[tuple[EventType, int]]:
    """Return how the attempts of a run's steps ended, as it was stored."""
    return [(event.type, event.attempt) for event in await run.events() if event.type.startswith("step_")][1:]


async def test_the_clock_of_an_application_is_its_worlds(app: Torpor, clock: ManualClock) -> None:
    """A sleep of an hour takes no time when the clock is moved; nothing is stored at another time."""
    began = clock.now()
    async with app.worker():
        run = await app.start("sleeps", HOUR)
        await until(app, lambda: app.world.snapshot(run.id))
        assert await run.status() == "running"
        clock.advance(HOUR)
        assert await run.result(timeout=PATIENCE) == HOUR
    assert {event.at for event in await run.events()} == {began, began + HOUR}


async def test_jumps_of_the_wall_clock_kill_nobody(app: Torpor, elsewhere: Torpor, clock: ManualClock) -> None:
    """Two machines whose clocks are set by hours leave each other's work alone, and start nothing twice."""
    async with app.worker() as here:
        host.set("B")
        async with elsewhere.worker() as there:
            runs = [await app.start("isHeld") for _ in range(4)]
            for run in runs:
                await gates[run.id].reached()
            before = here.id, there.id
            for hours in (2, -2, -48, 100):
                clock.jump(hours * HOUR)
                await a_second_passes(app, clock, here, there)
            assert (here.id, there.id) == before
            for run in runs:
                gates[run.id].open.set()
                assert await run.result(timeout=PATIENCE) == "done"
                assert await outcomes(run) == [("step_completed", 1)]


async def test_a_silent_worker_is_fenced_before_it_claims(
    app: Torpor, elsewhere: Torpor, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It drops what it had, which others begin anew, and goes on as another worker."""
    await _silence(elsewhere, monkeypatch)
    host.set("B")
    async with elsewhere.worker() as silent:
        run = await app.start("isHeld")
        await gates[run.id].reached()
        before = silent.id
        host.set("A")
        async with app.worker() as here:
            await _outlive_lease(app, clock, here)
            await gates[run.id].reached()  # the second attempt
            await app.start("addTen", 1)  # a claim is how the silent one learns of it
            await until(app, lambda: _renamed(silent, before))
            gates[run.id].open.set()
            assert await run.result(timeout=PATIENCE) == "done"
            assert before not in {row.id for row in await app.world.workers()}
    assert gates[run.id].given_up == [1]
    assert await outcomes(run) == [("step_completed", 2)]


async def test_what_a_dead_worker_finishes_is_not_stored(
    app: Torpor, elsewhere: Torpor, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that cannot be cancelled ends after it was taken over: its outcome meets the fence."""
    await _silence(elsewhere, monkeypatch)
    host.set("B")
    async with elsewhere.worker() as silent:
        run = await app.start("runsStubborn")
        await gates[run.id].reached()
        host.set("A")
        async with app.worker() as here:
            await _outlive_lease(app, clock, here)
            await gates[run.id].reached()
            gates[run.id].open.set()
            assert await run.result(timeout=PATIENCE) == "done"
            await silent.wait_idle(timeout=PATIENCE)
    assert await outcomes(run) == [("step_completed", 2)]


async def test_a_claim_without_an_owner_is_released(app: Torpor, tmp_path: Path) -> None:
    """Its run goes on at the first sign of life of anybody, long before a lease passes."""
    run = await app.start("addTen", 1)
    await app.world.register(WorkerRow("wrkr_1", "other machine", 1, 1, SETTINGS.lease_ms))
    claims = await app.world.claim(ClaimRequest("wrkr_1", apps=(app.name,), guests=("quickjs",), turns_max=1))
    assert [task.run_id for task in claims.tasks] == [run.id]
    with sqlite3.connect(tmp_path / "torpor.db") as db:
        assert db.execute("DELETE FROM workers").rowcount == 1
    db.close()
    async with app.worker():
        assert await run.result(timeout=PATIENCE) == 11


@pytest.mark.parametrize("kept", [True, False])
async def test_a_deadline_that_passed_wins_over_a_step(app: Torpor, clock: ManualClock, kept: bool) -> None:
    """Whether the turn is awake when both have come, or has parked: the timer was due first, and the log says so."""
    app.settings = WorkerSettings(grace_seconds=0.2, turn=TurnOptions(inline_ms=60_000 if kept else 0))
    async with app.worker() as worker:
        run = await app.start("racesHeld", 50 * SECOND)
        await gates[run.id].reached()
        if not kept:
            await until(app, lambda: app.world.snapshot(run.id))
            await until(app, lambda: _asleep(app, run))
        clock.jump(HOUR)
        gates[run.id].open.set()
        assert await run.result(timeout=PATIENCE) == "timer"
        await worker.wait_idle(timeout=PATIENCE)
    order = [event.type for event in await run.events()]
    assert "step_completed" not in order[: order.index("wait_completed")]


async def test_pauses_of_the_engine_are_no_times_of_day(clock: ManualClock) -> None:
    """A clock that is set ends none, and makes none longer."""
    retrying = Retrying(clock, Backoff(first=10), "a test", ignore)
    pausing = asyncio.ensure_future(retrying.pause(WorldError("full")))
    for hours in (5, -10):
        clock.jump(hours * HOUR)
        done, _ = await asyncio.wait([pausing], timeout=0.05)
        assert not done
    clock.advance(10 * SECOND)
    await asyncio.wait_for(pausing, PATIENCE)


async def test_a_clock_that_is_put_forward_wakes_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer of tomorrow rings today when somebody sets the machine's clock to tomorrow."""
    clock = SystemClock()
    tomorrow = clock.now() + 24 * HOUR
    waiting = asyncio.ensure_future(clock.wait_until(tomorrow))
    await asyncio.sleep(0)
    monkeypatch.setattr(SystemClock, "now", lambda _: tomorrow)
    await asyncio.wait_for(waiting, PATIENCE)


async def _silence(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second heartbeat of a worker, and those that follow, never arrive."""
    heartbeat, beats = app.world.heartbeat, 0

    async def silent(worker_id: str) -> Heartbeat:
        nonlocal beats
        beats += 1
        if beats > 1:
            await asyncio.Event().wait()
        return await heartbeat(worker_id)

    monkeypatch.setattr(app.world, "heartbeat", silent)


async def _outlive_lease(app: Torpor, clock: ManualClock, worker: Worker) -> None:
    """Let the lease of others pass; this worker is heard of all the time."""
    for _ in range(SETTINGS.lease_ms // SECOND + 1):
        await a_second_passes(app, clock, worker, silent=1)


async def _renamed(worker: Worker, before: str) -> bool:
    return worker.id != before


async def _asleep(app: Torpor, run: RunHandle) -> bool:
    return (await app.world.get_run(run.id)).worker == ""
