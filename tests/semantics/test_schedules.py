"""Runs that are started by the clock, in both languages; days of these tests take no time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.engine.support import until
from tests.semantics.support import DAY, HOUR, Stage, outcome
from torpor import RunHandle
from torpor.errors import (
    ArgumentError,
    EntityConflictError,
    ScheduleNotFoundError,
    UsageError,
    WorkflowNotRegisteredError,
)
from torpor.schedules import ScheduleInfo

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "nightly"


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def forgotten(stage: Stage) -> AsyncIterator[None]:
    """Forget what a test has made."""
    yield
    for info in await stage.app.schedules.list():
        await stage.app.schedules.delete(info.name)


async def create(stage: Stage, workflow: str, *args: object, **options: Any) -> ScheduleInfo:
    """Make a schedule of this guest's workflow."""
    return await stage.app.schedules.create(NAME, stage.full_name(workflow), *args, **options)


async def fired(stage: Stage, slot: int | None) -> RunHandle[Any]:
    """Return the run of a slot, once it was started."""

    async def there() -> str:
        info = await stage.app.schedules.get(NAME)
        return info.last_run if info.last_at == slot else ""

    return stage.app.run(await until(stage.app, there))


async def test_a_slot_starts_a_run(stage: Stage) -> None:
    """At its time, with the arguments, and the next slot is told."""
    made = await create(stage, "add_ten", 5, every="1h")
    assert made.next_at is not None
    stage.clock.put_forward(HOUR)
    run = await fired(stage, made.next_at)
    assert await outcome(run) == 15
    assert (await stage.app.schedules.get(NAME)).next_at == made.next_at + HOUR


async def test_a_schedule_may_have_one_slot(stage: Stage) -> None:
    """A moment in the past is one that is due."""
    moment = datetime.fromtimestamp(stage.clock.now() // 1000, UTC)
    made = await create(stage, "add_ten", 1, at=moment)
    run = await fired(stage, made.at)
    assert await outcome(run) == 11
    assert (await stage.app.schedules.get(NAME)).next_at is None


async def test_workflows_may_be_given_their_slot(stage: Stage) -> None:
    """By name, as a moment in each language."""
    made = await stage.app.schedules.create(NAME, stage.full_name("told_the_slot"), cron="0 2 * * *", slot_as="slot")
    assert made.next_at is not None
    stage.clock.put_forward(DAY)
    assert await outcome(await fired(stage, made.next_at)) == made.next_at


async def test_missed_slots_are_made_up_for(stage: Stage) -> None:
    """As many as was asked for, the newest, each with its own run."""
    made = await create(stage, "add_ten", 2, every="1h", catch_up=3, overlap="allow")
    assert made.next_at is not None
    stage.clock.put_forward(10 * HOUR + HOUR // 2)
    last = stage.clock.now() // HOUR * HOUR
    await fired(stage, last)
    found = [run for run in await stage.app.list_runs() if run.id.startswith("wrun_")]
    ids = [run.id for run in await stage.app.schedules.backfill(NAME, _at(made.next_at), _at(last))]
    had_runs = [run_id in [run.id for run in found] for run_id in ids]
    assert had_runs == [False] * (len(ids) - 3) + [True] * 3
    for run_id in ids:
        assert await outcome(stage.app.run(run_id)) == 12


async def test_a_backfill_may_be_repeated(stage: Stage) -> None:
    """It returns the same runs, of slots that are over only."""
    name = "made up for"  # another schedule than those whose slots may have had a run
    await stage.app.schedules.create(name, stage.full_name("add_ten"), 3, cron="@daily", paused=True)
    now = datetime.fromtimestamp(stage.clock.now() / 1000, UTC)
    first = await stage.app.schedules.backfill(name, now - timedelta(days=3), now + timedelta(days=3))
    assert len(first) == 3
    assert [run.id for run in await stage.app.schedules.backfill(name, now - timedelta(days=3), now)] == [
        run.id for run in first
    ]
    assert [await outcome(run) for run in first] == [13, 13, 13]
    with pytest.raises(UsageError, match="need a time zone"):
        await stage.app.schedules.backfill(name, datetime(2026, 1, 1), now)  # noqa: DTZ001  # what is refused


async def test_a_trigger_starts_a_run_now(stage: Stage) -> None:
    """Also of a paused schedule; its policy holds, unless another one is asked for."""
    await create(stage, "sleeping", "1d", every="7d", paused=True)
    first = await stage.app.schedules.trigger(NAME)
    assert first is not None
    await stage.logged(first, "wait_created")
    stage.clock.put_forward(1)
    assert await stage.app.schedules.trigger(NAME) is None
    second = await stage.app.schedules.trigger(NAME, overlap="allow")
    assert second is not None
    assert second.id != first.id
    stage.clock.put_forward(DAY)
    await outcome(first)
    await outcome(second)


async def test_a_buffered_slot_begins_when_the_run_before_it_ends(stage: Stage) -> None:
    """Without another slot's coming."""
    made = await create(stage, "sleeping", "90m", every="1h", overlap="buffer")
    assert made.next_at is not None
    stage.clock.put_forward(made.next_at - stage.clock.now())
    first = await fired(stage, made.next_at)
    await stage.logged(first, "wait_created")
    stage.clock.put_forward(HOUR)
    await _until(stage, lambda info: info.waiting == made.next_at + HOUR)
    stage.clock.put_forward(HOUR // 2 + 1)
    await outcome(first)
    second = await fired(stage, made.next_at + HOUR)
    await stage.app.cancel([second.id])


async def test_a_slot_may_cancel_the_run_before_it(stage: Stage) -> None:
    """And begins its own."""
    made = await create(stage, "sleeping", "90m", every="1h", overlap="cancel")
    assert made.next_at is not None
    stage.clock.put_forward(made.next_at - stage.clock.now())
    first = await fired(stage, made.next_at)
    stage.clock.put_forward(HOUR)
    second = await fired(stage, made.next_at + HOUR)
    await until(stage.app, lambda: _has_status(first, "cancelled"))
    await stage.app.cancel([second.id])


async def test_many_calls_start_one_run(stage: Stage) -> None:
    """With what the last one gave, when a while has passed after it; a first call is not put off for ever."""
    full = stage.full_name("add_ten")
    before = {run.id for run in await stage.app.list_runs()}
    for n in range(3):
        info = await stage.app.schedules.debounce("orders/17", full, n, wait="1h", at_most="90m")
        assert info.name == "debounce orders/17"
        assert {run.id for run in await stage.app.list_runs()} == before
        stage.clock.put_forward(HOUR // 2)

    async def started() -> str:
        return next((run.id for run in await stage.app.list_runs() if run.id not in before), "")

    run = stage.app.run(await until(stage.app, started))
    assert await outcome(run) == 12
    assert await stage.app.schedules.list() == []
    again = await stage.app.schedules.debounce("orders/17", full, 5, wait="1d")
    assert again.at > stage.clock.now() + DAY - HOUR


async def test_paused_schedules_start_nothing(stage: Stage) -> None:
    """Until they go on, after the slots that passed."""
    await create(stage, "add_ten", 1, every="1h")
    paused = await stage.app.schedules.pause(NAME, "why")
    assert (paused.next_at, paused.note) == (None, "why")
    stage.clock.put_forward(3 * HOUR)
    going = await stage.app.schedules.unpause(NAME)
    assert going.next_at is not None
    assert going.next_at > stage.clock.now()
    assert going.last_run == ""


async def test_what_cannot_be_scheduled_is_refused(stage: Stage) -> None:
    """A workflow that is not there, arguments that it does not take, a name that is taken or that nobody has."""
    with pytest.raises(WorkflowNotRegisteredError):
        await stage.app.schedules.create(NAME, "nowhere", every="1h")
    if stage.speaks_python:
        with pytest.raises(ArgumentError):
            await create(stage, "add_ten", 1, 2, 3, every="1h")
    await create(stage, "add_ten", 1, every="1h")
    with pytest.raises(EntityConflictError, match="made already"):
        await create(stage, "add_ten", 1, every="1h")
    for wrong in (stage.app.schedules.get("other"), stage.app.schedules.pause("other")):
        with pytest.raises(ScheduleNotFoundError, match="no schedule 'other'"):
            await wrong


async def _until(stage: Stage, is_so: Any) -> None:
    async def so() -> bool:
        return bool(is_so(await stage.app.schedules.get(NAME)))

    await until(stage.app, so)


async def _has_status(run: RunHandle[Any], status: str) -> bool:
    return await run.status() == status


def _at(slot: int) -> datetime:
    return datetime.fromtimestamp(slot / 1000, UTC)
