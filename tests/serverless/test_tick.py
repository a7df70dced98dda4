"""A tick works off what is ready, leaves nothing behind, and says when the next is due."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.engine.support import TIMEOUT, until
from tests.serverless.application import app as application
from torpor import Torpor
from torpor.engine import builds, liveness
from torpor.engine.failpoints import Failpoint
from torpor.errors import ConfigurationError, UsageError
from torpor.guests.cpython.guest import CPython
from torpor.model import WorkerRow
from torpor.testing.clock import ManualClock
from torpor.testing.mortal import Mortal
from torpor.ticking import Tick, call_wake
from torpor.vm.guest import Image, Program
from torpor.world import World

NOW = 1_700_000_000_000
AT = datetime.fromtimestamp(NOW / 1000, UTC)


@pytest.fixture
def clock() -> ManualClock:
    """The world's clock."""
    return ManualClock(NOW)


@pytest.fixture
async def app(clock: ManualClock) -> AsyncIterator[Torpor]:
    """The application in a world of its own."""
    async with application.on("memory://", clock=clock) as opened:
        opened._clock = None  # so that others may work for it
        yield opened


async def test_a_tick_ends_at_a_timer_and_the_next_goes_on(app: Torpor, clock: ManualClock) -> None:
    """What is ready is worked off; between two ticks nobody is registered and nothing is claimed."""
    run = await app.start("naps", 2, 60)
    assert await app.tick() == Tick(1, AT + timedelta(seconds=60), more=False)
    assert await app.world.workers() == []
    assert (await app.world.get_run(run.id)).worker == ""
    assert await app.tick() == Tick(0, AT + timedelta(seconds=60), more=False)
    clock.advance(60_000)
    assert (await app.tick()).next_at == AT + timedelta(seconds=120)
    clock.advance(60_000)
    assert await app.tick() == Tick(1, None, more=False)
    assert [n for n, _ in await run.result(timeout=TIMEOUT)] == [0, 1]


async def test_ticks_load_a_program_once(app: Torpor, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is at hand for the next tick of the process, but not for ever, as the world may have dropped its image."""
    loaded = 0
    load = CPython.load

    def counted(guest: CPython, program: Program) -> Image:
        nonlocal loaded
        loaded += 1
        return load(guest, program)

    monkeypatch.setattr(CPython, "load", counted)
    await app.start("naps", 3, 60)
    await app.tick()
    before = loaded
    clock.advance(60_000)
    await app.tick()
    assert loaded == before
    clock.advance(3_600_000)
    await app.tick()
    assert loaded == before + 1


async def test_ticks_see_once_that_the_world_has_the_guest(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one stores the build, or finds it; those that follow do not read it again."""
    read = 0
    stored_manifest = builds.stored_manifest

    async def counted(world: World, build: str) -> bytes | None:
        nonlocal read
        read += 1
        return await stored_manifest(world, build)

    monkeypatch.setattr(builds, "stored_manifest", counted)
    monkeypatch.setattr(builds, "PAUSE_SECONDS", 0)
    async with application.on(f"sqlite:///{tmp_path / 'torpor.db'}", clock=clock) as app:
        await app.start("naps", 3, 60)
        await app.tick()
        assert read == 1
        clock.advance(60_000)
        assert (await app.tick()).runs == 1
        assert read == 1


async def test_a_tick_without_work_says_that_none_is_due(app: Torpor) -> None:
    """Nothing is there, and only the outside can change that."""
    assert await app.tick() == Tick(0, None, more=False)


async def test_the_budget_ends_a_tick_whose_step_goes_on(app: Torpor, clock: ManualClock) -> None:
    """The next tick is due at once, and the run is nobody's."""
    run = await app.start("waits_long")
    ticking = asyncio.create_task(app.tick(budget="5s"))

    async def runs() -> bool:
        return bool((await app.world.open_entities(run.id)).steps)

    await until(app, runs)
    clock.advance(5_000)
    tick = await ticking
    assert (tick.runs, tick.more, tick.next_at) == (1, True, AT + timedelta(seconds=5))
    assert await app.world.workers() == []


async def test_a_schedule_is_kept_by_ticks(app: Torpor, clock: ManualClock) -> None:
    """Its next slot is when the next tick is due, and the slot's run is worked off in that tick."""
    await app.schedules.create("hourly", "naps", 0, 0, every="1h")
    due = (await app.tick()).next_at
    assert due is not None
    assert due > AT
    clock.advance(round((due - AT).total_seconds() * 1000))
    tick = await app.tick()
    assert (tick.runs, tick.next_at) == (1, due + timedelta(hours=1))


async def test_what_a_dead_process_had_claimed_is_taken_over(
    app: Torpor, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick that finds a silent worker comes back when its lease has passed, and then goes on with its runs."""
    run = await app.start("naps", 1, 60)
    line = Mortal(app.world)
    died = asyncio.Event()

    def die(observation: object) -> None:
        if observation == Failpoint.AFTER_CLAIM and not died.is_set():
            line.cut()
            died.set()

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(liveness, "machine", lambda: "another machine")
        async with app.worker(world=line.world, observers=[die]) as worker:
            await died.wait()
            await worker.abandon()
    assert await app.tick() == Tick(0, AT + timedelta(milliseconds=600), more=False)
    clock.advance(601)
    tick = await app.tick()
    assert (tick.runs, tick.more) == (1, False)
    assert (await app.world.get_run(run.id)).epoch > 1


async def test_a_worker_that_lives_is_looked_at_again(app: Torpor) -> None:
    """Nobody knows that it will not die with what it has claimed."""
    await app.world.register(WorkerRow("wrkr_other", "elsewhere", 1, 1, 15_000))
    assert (await app.tick()).next_at == AT + timedelta(seconds=15)


async def test_two_ticks_at_once_share_the_work(app: Torpor) -> None:
    """Each run is advanced once."""
    runs = [await app.start("naps", 1, 0) for _ in range(4)]
    ticks = await asyncio.gather(app.tick(), app.tick())
    assert sum(tick.runs for tick in ticks) >= len(runs)
    assert [[n for n, _ in await run.result(timeout=TIMEOUT)] for run in runs] == [[0]] * 4


async def test_the_waker_is_told_whole_seconds_under_a_name(app: Torpor) -> None:
    """The same moment has the same name, so that setting it twice is harmless; without a moment nobody is called."""
    told: list[tuple[datetime, str]] = []

    @app.wake
    async def wake(at: datetime, name: str) -> None:
        told.append((at, name))

    await app.tick()
    assert told == []
    await app.start("naps", 1, 60)
    await app.tick()
    await app.tick()
    assert told == [(AT + timedelta(seconds=61), f"torpor-moments-{NOW // 1000 + 61}")] * 2


async def test_a_name_has_only_what_schedulers_allow() -> None:
    """Letters, digits, - and _, 64 characters at most; also without a name of an application."""
    names: list[str] = []
    for app in ("café/orders " * 9, "café/orders " * 10, "shop", ""):
        await call_wake(lambda _, name: names.append(name), app, Tick(0, AT, more=True))
    assert names[2:] == [f"torpor-shop-{NOW // 1000 + 1}", f"torpor-{NOW // 1000 + 1}"]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    assert len(set(names)) == 4


async def test_what_the_waker_raises_fails_the_tick_behind_its_work(app: Torpor) -> None:
    """Whoever asked for the tick tries again; what was done is done."""

    @app.wake
    def wake(at: datetime, name: str) -> None:
        raise ConnectionError(f"{name} at {at}")

    run = await app.start("naps", 1, 60)
    with pytest.raises(ConnectionError):
        await app.tick()
    assert [event.type for event in await run.events()][-1] == "wait_created"


async def test_a_tick_says_what_it_cannot_do(app: Torpor) -> None:
    """A budget that is none, a closed application, an application whose world is closed."""
    with pytest.raises(ConfigurationError, match="budget="):
        await app.tick(budget="soon")
    await app.close()
    with pytest.raises(UsageError, match="closed"):
        await app.tick()
