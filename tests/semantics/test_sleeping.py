"""Durable timers; the nights of these tests take no time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest

from tests.engine.support import TIMEOUT
from tests.semantics.application import app as application
from tests.semantics.support import DAY, HOUR, MovableClock, Stage, kinds, outcome
from torpor.model import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_sleeping(stage: Stage) -> None:
    """A sleep of three days ends no earlier than due, and the workflow's own clock agrees."""
    run = await stage.start("sleeping", "3d")
    (asleep,) = await stage.logged(run, "wait_created")
    assert asleep.due == (await run.info()).created_at + 3 * DAY
    stage.clock.put_forward(3 * DAY)
    slept = await outcome(run)
    (awake,) = await stage.logged(run, "wait_completed")
    assert awake.at >= asleep.due
    assert slept == awake.at - (await run.info()).created_at


async def test_sleeping_until(stage: Stage) -> None:
    """A moment may be given instead of a duration."""
    tomorrow = datetime.fromtimestamp(stage.clock.now() // 1000, UTC) + timedelta(days=1)
    run = await stage.start("sleeping", tomorrow)
    (asleep,) = await stage.logged(run, "wait_created")
    assert asleep.due == tomorrow.timestamp() * 1000
    stage.clock.put_forward(DAY)
    assert await outcome(run) > 0


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-8))], ids=str)
async def test_sleeping_until_a_moment_as_text(stage: Stage, zone: tzinfo) -> None:
    """ISO 8601 text is a moment, in any zone that it names."""
    tomorrow = datetime.fromtimestamp(stage.clock.now() // 1000, zone) + timedelta(days=1)
    run = await stage.start("sleeping", tomorrow.isoformat())
    (asleep,) = await stage.logged(run, "wait_created")
    assert asleep.due == tomorrow.timestamp() * 1000
    stage.clock.put_forward(DAY)
    assert await outcome(run) > 0


@pytest.mark.parametrize("past", [datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00Z", -5_000, "-1h 30m"])
async def test_sleeping_until_the_past(stage: Stage, past: datetime | str | int) -> None:
    """A moment that is over, and a negative duration, do not make the run wait."""
    assert 0 <= await stage.result("sleeping", past) < HOUR


async def test_parallel_sleep(stage: Stage) -> None:
    """Ten sleeps at once take the time of one."""
    run = await stage.start("parallel_sleep")
    await stage.logged(run, "wait_created", 10)
    stage.clock.put_forward(HOUR)
    assert HOUR <= await outcome(run) < 2 * HOUR


async def test_sleep_in_loop(stage: Stage) -> None:
    """Every iteration waits."""
    run = await stage.start("sleep_in_loop", 3)
    for night in range(1, 4):
        await stage.logged(run, "wait_created", night)
        stage.clock.put_forward(HOUR)
    gaps = await outcome(run)
    assert len(gaps) == 3
    assert all(HOUR <= gap < 2 * HOUR for gap in gaps)


async def test_sleep_with_sequential_steps(stage: Stage) -> None:
    """Steps go on beside a sleep that is pending."""
    run = await stage.start("sleep_with_sequential_steps")
    await stage.logged(run, "step_completed", 3)
    assert (await kinds(run))["wait_completed"] == 0
    stage.clock.put_forward(8 * HOUR)
    assert await outcome(run) == [1, 2, 3, "night"]


@pytest.mark.parametrize("late", [True, False])
async def test_a_deadline_that_passed_while_nobody_worked(
    guest: str, runtime: Runtime, tmp_path: Path, late: bool
) -> None:
    """It had passed before the payload came, so it wins, although nobody looked; one that is yet to pass does not."""
    clock = MovableClock()
    async with application.on(f"sqlite:///{tmp_path}/torpor.db", runtime=runtime, clock=clock) as app:
        stage = Stage(app, guest, clock)
        async with app.worker() as worker:
            run = await stage.start("deadline", "ok?")
            await stage.logged(run, "hook_created")
            await worker.wait_idle(timeout=TIMEOUT)
        clock.put_forward(HOUR if late else HOUR - 60_000)
        await app.resume_hook("ok?", "in time")
        clock.put_forward(HOUR)
        async with app.worker():
            assert await outcome(run) == ("expired" if late else "in time")
