"""Worlds that move, and movers that die at every moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from msgspec.structs import replace

from torpor.attributes import LEAVING, MOVED
from torpor.capsules.moving import PAUSED, Move
from torpor.engine.images import program_key
from torpor.errors import ScheduleNotFoundError
from torpor.model import Deployment, RunFilter
from torpor.model.flow import Limits
from torpor.model.schedules import Schedule, Timing
from torpor.model.tenants import Quotas, Tenant
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.parcels import live
from torpor.testing.worlds.story import LEASE_MS, OTHER, RUN, T, begin, claim, ending, hook, new_run, step, take
from torpor.world import World
from torpor.worlds.memory import MemoryWorld

THIRD = "wrun_01C"
TENANTS = "@acme:one"
DAILY = Schedule("shop", "daily", "order", Timing(cron="0 9 * * *"), b"devl[[]]")


class DiedError(BaseException):
    """The mover is gone."""


class Mortal:
    """A world whose user dies at its n-th call, before or after that is carried out."""

    def __init__(self, world: World, calls: itertools.count[int], last: int, *, after: bool) -> None:
        self._world, self._calls, self._last, self._after = world, calls, last, after

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._world, name)
        if not asyncio.iscoroutinefunction(member):
            return member

        async def call(*args: Any, **kwargs: Any) -> Any:
            number = next(self._calls)
            if number == self._last and not self._after:
                raise DiedError
            answer = await member(*args, **kwargs)
            if number >= self._last:
                raise DiedError
            return answer

        return call


async def populate(world: World) -> None:
    """Fill a world: runs of all kinds, a schedule, a queue, a deployment, a program."""
    await live(world)  # and OTHER, which has not begun
    turn = await begin(world, THIRD)
    await turn.commit(ending())
    await world.put_tenant(Tenant("acme", "", Quotas(runs=2), ("host//a",)))
    turn = await begin(world, TENANTS, step("step_created", 1))
    await turn.commit(ending(), cpu_us=1_500)
    await world.set_queue("shop", "mail", Limits(concurrency=2))
    await world.put_schedule(DAILY)
    await world.put_schedule(replace(DAILY, name="paused", paused=True, note="for now"))
    await world.put_deployment(Deployment("d1", "shop", created_at=T))
    await world.put_blob(program_key("5f" * 32, ""), b"zstd")


async def contents(world: World) -> dict[str, Any]:
    """Return what a world has that moves, but for what tells where and when it is."""
    runs = [run for run in await world.list_runs(RunFilter()) if MOVED not in run.attributes]
    parcels = {run.id: await world.parcel(run.id) for run in runs}
    return {
        "logs": {run_id: [event.type for event in parcel.log] for run_id, parcel in parcels.items()},
        "open": {run_id: (parcel.entities.waits, parcel.entities.hooks) for run_id, parcel in parcels.items()},
        "rest": {
            run_id: (parcel.streams, parcel.lines, parcel.messages, parcel.resumed, parcel.reserved, parcel.snapshot)
            for run_id, parcel in parcels.items()
        },
        "tenants": {
            each.tenant.name: (
                each.tenant.quotas,
                each.tenant.allow,
                each.usage.runs,
                each.usage.steps,
                each.usage.cpu_us,
            )
            for each in await world.tenants()
        },
        "schedules": {each.name: (each.paused, each.note, each.timing) for each in await world.schedules()},
        "queues": {info.name: info.limits for info in await world.queues()},
        "deployments": [each.id for each in await world.deployments()],
        "program": await world.blob(program_key("5f" * 32, "")),
    }


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of both worlds."""
    return ManualClock(T)


@pytest_asyncio.fixture
async def worlds(clock: ManualClock) -> AsyncIterator[tuple[World, World]]:
    """Yield a world that has something, and one that has nothing."""
    source, target = MemoryWorld(clock=clock), MemoryWorld(clock=clock)
    await populate(source)
    yield source, target


async def test_all_of_it_moves(worlds: tuple[World, World]) -> None:
    """Runs of all kinds, what starts them, and what holds them; where they were their names are left."""
    source, target = worlds
    before = await contents(source)
    plan = await Move(source, target).plan()
    assert dict(plan.runs) == {"running": 1, "pending": 1, "completed": 2}
    assert (plan.schedules, plan.queues, plan.tenants) == (2, 1, 1)
    assert await contents(source) == before, "a plan changes nothing"
    seen: list[int] = []
    move = Move(source, target)
    move.tell(lambda progress: seen.append(sum(progress.moved.values())))
    done = await move.carry_out()
    assert (dict(done.moved), done.schedules, done.queues, done.tenants) == (dict(plan.runs), 2, 1, 1)
    assert (done.stayed, done.awaited) == ({}, [])
    assert seen == [1, 2, 3, 4]
    assert await contents(target) == before
    assert all(MOVED in run.attributes for run in await source.list_runs(RunFilter()))
    assert await source.schedules() == []
    again = await Move(source, target).carry_out()
    assert (sum(again.moved.values()), again.stayed) == (0, {})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_mover_may_die_at_any_moment(after: bool) -> None:
    """Whoever moves next goes on: everything is there once, and a run is never at home in both worlds."""
    clock = ManualClock(T)
    whole = MemoryWorld(clock=clock)
    await populate(whole)
    expected = await contents(whole)
    for last in itertools.count():
        source, target = MemoryWorld(clock=clock), MemoryWorld(clock=clock)
        await populate(source)
        calls = itertools.count()
        mortal = [cast("World", Mortal(world, calls, last, after=after)) for world in (source, target)]
        try:
            await Move(mortal[0], mortal[1]).carry_out()
        except DiedError:
            there = await target.statuses([RUN, OTHER, THIRD])
            for run in (await source.statuses(there)).values():
                assert LEAVING in run.attributes or MOVED in run.attributes, "who is there is fenced off here"
        else:
            assert last > 20, "there are more moments than a few"
            break
        done = await Move(source, target).carry_out()
        assert done.stayed == {}, last
        assert await contents(target) == expected, last
        assert all(MOVED in run.attributes for run in await source.list_runs(RunFilter())), last


async def test_an_id_that_is_taken_stays(worlds: tuple[World, World]) -> None:
    """So does a run whose token somebody has there: it goes on where it is."""
    source, target = worlds
    await begin(target, "wrun_01D", hook("hook_created", 1, "token"))
    await target.create_run(new_run(THIRD, workflow="another"))
    plan = await Move(source, target).plan()
    assert plan.taken == [THIRD]
    done = await Move(source, target).carry_out()
    assert sorted(done.stayed) == [f"run {RUN}", f"run {THIRD}"]
    assert "'token' (run wrun_01D)" in done.stayed[f"run {RUN}"]
    run = await source.get_run(RUN)
    assert LEAVING not in run.attributes
    assert [task.run_id for task in await take(source, steps_max=0)] == [RUN]


async def test_some_runs_move_alone(worlds: tuple[World, World]) -> None:
    """Nothing else goes; who waits for one that is not there is told."""
    source, target = worlds
    done = await Move(source, target, [RUN]).carry_out()
    assert (sum(done.moved.values()), done.schedules, done.awaited) == (1, 0, [OTHER])
    assert [run.id for run in await target.list_runs(RunFilter())] == [RUN]
    await Move(source, target, [OTHER]).carry_out()
    await target.cancel_run(OTHER, "", force=True)
    assert (await target.events(RUN))[-1].type == "hook_received", "it hears of the end when that comes"


async def test_a_run_at_work_is_waited_for(worlds: tuple[World, World], clock: ManualClock) -> None:
    """It crosses once it rests; one that never rests is paused, and goes on where it arrives."""
    source, target = worlds
    await source.send(RUN, "mail", b"devl[3]", "m3")
    turn = await claim(source)
    moving = Move(source, target)
    waits = asyncio.Event()
    moving.tell(lambda progress: waits.set() if progress.busy else None)
    task = asyncio.create_task(moving.carry_out())
    await waits.wait()
    while not (await source.get_run(RUN)).paused:
        clock.advance(200)
        await asyncio.sleep(0)
    assert PAUSED in (await source.get_run(RUN)).attributes
    turn.held, turn.head = None, (await source.get_run(RUN)).head
    await turn.commit(park=True)
    while not task.done():
        clock.advance(200)
        await asyncio.sleep(0)
    done = await task
    assert (done.stayed, sum(done.moved.values())) == ({}, 4)
    run = await target.get_run(RUN)
    assert (run.paused, PAUSED in run.attributes, run.ready_at) == (False, False, 0)


async def test_a_dead_workers_run_moves(worlds: tuple[World, World], clock: ManualClock) -> None:
    """Nobody else is there to take its claims away."""
    source, target = worlds
    await begin(source, "wrun_01E", step("step_created", 1, attempt=1))
    clock.advance(LEASE_MS + 1)
    done = await Move(source, target).carry_out()
    assert "wrun_01E" in await target.statuses(["wrun_01E"])
    assert done.stayed == {}


async def test_a_schedule_of_the_same_name_stays(worlds: tuple[World, World]) -> None:
    """If it is another one; an equal one is the same."""
    source, target = worlds
    await target.put_schedule(replace(DAILY, timing=Timing(cron="0 10 * * *")))
    done = await Move(source, target).carry_out()
    assert list(done.stayed) == ["schedule daily"]
    assert not (await source.schedule("shop", "daily")).paused
    with pytest.raises(ScheduleNotFoundError):
        await source.schedule("shop", "paused")


async def test_a_tenant_that_goes_to_and_fro_has_used_what_it_has_used(clock: ManualClock) -> None:
    """Between three worlds, and in each of them something more."""
    ring = [MemoryWorld(clock=clock) for _ in range(3)]
    await ring[0].put_tenant(Tenant("acme", "", Quotas()))
    for n in range(7):
        here, there = ring[n % 3], ring[(n + 1) % 3]
        turn = await begin(here, f"@acme:{n}", step("step_created", 1))
        await turn.commit(ending(), cpu_us=100)
        clock.advance(1)
        assert (await Move(here, there).carry_out()).stayed == {}
        for run in await here.list_runs(RunFilter()):
            await here.delete_run(run.id)  # so that it may come back
        usage = (await there.tenant("acme")).usage
        assert (usage.runs, usage.steps, usage.cpu_us, usage.open) == (n + 1, n + 1, 100 * (n + 1), 0)


async def test_a_tenant_that_is_another_there_is_told(clock: ManualClock) -> None:
    """With other quotas those there hold, and its runs go; where another application has it, or nobody, they stay."""
    source, similar, another = (MemoryWorld(clock=clock) for _ in range(3))
    await source.put_tenant(Tenant("acme", "", Quotas(runs=2)))
    clock.advance(1)
    for name in ("one", "two"):
        turn = await begin(source, f"@acme:{name}")
        await turn.commit(ending())
    await similar.put_tenant(Tenant("acme", "", Quotas(runs=3)))
    await another.put_tenant(Tenant("acme", "other"))

    alone = await Move(source, MemoryWorld(clock=clock), ["@acme:one"]).carry_out()
    assert "its tenant acme is not in world" in alone.stayed["run @acme:one"]
    refused = await Move(source, another).carry_out()
    assert "another application has one of its name" in refused.stayed["tenant acme"]
    assert sum(refused.moved.values()) == 0
    done = await Move(source, similar).carry_out()
    assert "other quotas" in done.stayed["tenant acme"]
    assert sum(done.moved.values()) == 2
    info = await similar.tenant("acme")
    assert (info.tenant.quotas.runs, info.usage.runs) == (3, 2)
