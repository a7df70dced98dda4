"""Schedules: stored, found when they are due, and fired once for each slot."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from torpor.errors import ConfigurationError, EntityConflictError, RunNotFoundError, ScheduleNotFoundError
from torpor.model import Run
from torpor.model.schedules import NEVER, Fired, Firing, Overlap, Schedule, Start, Timing
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import Turn, claim, ending, new_run, take
from torpor.testing.worlds.suite import MakeWorld, Suite, at_once, opened
from torpor.world import World
from torpor.worlds import schedules as rules

MINUTE = 60_000
APP = "shop"


def nightly(name: str = "nightly", **fields: Any) -> Schedule:
    """Return a schedule to store, of a slot a minute; *fields* of it are others."""
    about: dict[str, Any] = {"timing": Timing(every_ms=MINUTE), **fields}
    return Schedule(APP, name, "order", arguments=b"devl[[],{}]", **about)


async def fire(
    world: World, schedule: Schedule, *slots: int, now: int | None = None, overlap: Overlap | None = None
) -> Fired:
    """Fire these slots, by default those that are wanted by the world's time."""
    now = world.clock.now() if now is None else now
    chosen = slots or tuple(rules.wanted(schedule, now))
    starts = tuple(Start(slot, new_run(rules.run_id(schedule, slot))) for slot in chosen)
    return await world.fire(Firing(schedule, starts, now, overlap))


async def look(world: World, *apps: str) -> list[Schedule]:
    """Return the schedules that are due."""
    return list((await world.due_schedules(apps or (APP,))).schedules)


async def end(world: World, run_id: str) -> None:
    """Complete the run, which alone is ready."""
    turn: Turn = await claim(world)
    assert turn.task.run_id == run_id
    await turn.commit(ending("run_cancelled"))


class SchedulesSuite(Suite):
    """The ``Schedules`` protocol."""

    async def test_a_schedule_comes_back(self, world: World, clock: ManualClock) -> None:
        """With the world's time, its first slot after it, and a version."""
        stored = await world.put_schedule(nightly(note="why", digest=b"d", slot_as="day", catch_up=7))
        assert (stored.created_at, stored.version) == (clock.now(), 1)
        assert stored.slot == stored.due == clock.now() // MINUTE * MINUTE + MINUTE
        assert await world.schedule(APP, "nightly") == stored

    async def test_schedules_are_listed_by_name(self, world: World) -> None:
        """Of one application, or of all."""
        await world.put_schedule(nightly("b"))
        await world.put_schedule(replace(nightly("ä"), app=""))
        await world.put_schedule(nightly("a"))
        assert [(each.app, each.name) for each in await world.schedules()] == [(APP, "a"), (APP, "b"), ("", "ä")]
        assert [each.name for each in await world.schedules(APP)] == ["a", "b"]
        assert await world.schedules("sho") == []

    async def test_a_schedule_has_one_name_in_its_application(self, world: World) -> None:
        """A second one is refused; another application's is another one."""
        stored = await world.put_schedule(nightly())
        with pytest.raises(EntityConflictError, match="'nightly' was changed by somebody else, or made already"):
            await world.put_schedule(nightly())
        await world.put_schedule(replace(nightly(), app="other"))
        assert await world.schedule(APP, "nightly") == stored

    async def test_a_change_needs_the_newest_version(self, world: World) -> None:
        """So that nobody undoes what he has not seen."""
        stored = await world.put_schedule(nightly())
        changed = await world.put_schedule(replace(stored, note="first"))
        with pytest.raises(EntityConflictError, match="look at it again"):
            await world.put_schedule(replace(stored, note="second"))
        assert await world.schedule(APP, "nightly") == changed

    async def test_what_makes_no_sense_is_refused(self, world: World) -> None:
        """And nothing is stored."""
        for wrong in (Timing(cron="99 * * * *"), Timing(cron="* * * * *", zone="Europe/Nowhere"), Timing()):
            with pytest.raises(ConfigurationError):
                await world.put_schedule(nightly(timing=wrong))
        assert await world.schedules() == []

    async def test_a_deleted_schedule_is_gone(self, world: World, clock: ManualClock) -> None:
        """It is not found, not due, and cannot be changed; another may have its name."""
        stored = await world.put_schedule(nightly())
        await world.delete_schedule(APP, "nightly")
        clock.advance(MINUTE)
        assert await look(world) == []
        for gone in (world.schedule(APP, "nightly"), world.delete_schedule(APP, "nightly")):
            with pytest.raises(ScheduleNotFoundError, match="no schedule 'nightly' of application 'shop'"):
                await gone
        with pytest.raises(EntityConflictError, match="was deleted or never made"):
            await world.put_schedule(stored)
        assert (await fire(world, stored, stored.slot)).schedule is None
        assert (await world.put_schedule(nightly())).version == 1

    async def test_a_schedule_is_due_at_its_slot(self, world: World, clock: ManualClock) -> None:
        """Not before; until then it is told when, of the asked applications only."""
        stored = await world.put_schedule(nightly())
        clock.set(stored.due - 1)
        assert await look(world) == []
        assert (await world.due_schedules((APP, "x"))).next_at == stored.due
        assert (await world.due_schedules(("x",))).next_at is None
        clock.set(stored.due)
        assert await look(world) == [stored]
        assert await look(world, "x") == []
        assert (await world.due_schedules((APP,))).next_at is None

    async def test_those_due_longest_come_first(self, world: World, clock: ManualClock) -> None:
        """However many there are."""
        for n in (3, 1, 2):
            await world.put_schedule(nightly(f"every {n}", timing=Timing(at=clock.now() + n)))
        clock.advance(3)
        assert [each.name for each in await look(world)] == ["every 1", "every 2", "every 3"]
        assert [each.name for each in (await world.due_schedules((APP,), limit=2)).schedules] == ["every 1", "every 2"]

    async def test_firing_starts_a_run_and_moves_on(self, world: World, clock: ManualClock) -> None:
        """Both are stored, and the run can be claimed."""
        stored = await world.put_schedule(nightly())
        clock.set(stored.due)
        fired = await fire(world, stored)
        assert fired.schedule is not None
        assert (fired.schedule.last_slot, fired.schedule.slot) == (stored.slot, stored.slot + MINUTE)
        assert fired.started == (fired.schedule.last_run,) == (rules.run_id(stored, stored.slot),)
        assert await world.schedule(APP, "nightly") == fired.schedule
        assert [task.run_id for task in await take(world)] == [fired.schedule.last_run]
        assert await look(world) == []

    async def test_a_schedule_that_changed_is_not_fired(self, world: World, clock: ManualClock) -> None:
        """Nothing is stored: no run either."""
        stored = await world.put_schedule(nightly())
        await world.put_schedule(replace(stored, paused=True))
        clock.set(stored.due)
        assert await fire(world, stored, stored.slot) == Fired(None)
        with pytest.raises(RunNotFoundError):
            await world.get_run(rules.run_id(stored, stored.slot))

    async def test_a_slot_begins_one_run(self, world: World, clock: ManualClock) -> None:
        """Also after the schedule was deleted and made anew, and whatever the run was started with."""
        stored = await world.put_schedule(nightly())
        run = await world.create_run(new_run(rules.run_id(stored, stored.slot), workflow="another"))
        clock.set(stored.due)
        fired = await fire(world, stored)
        assert fired.started == (run.id,)
        assert await world.get_run(run.id) == run

    async def test_a_slot_is_skipped_while_the_run_before_it_goes_on(self, world: World, clock: ManualClock) -> None:
        """It is counted; when the run has ended, the next slot begins one."""
        stored = await world.put_schedule(nightly(overlap="skip"))
        first = await self._next(world, clock, stored)
        second = await self._next(world, clock, first)
        assert (second.last_run, second.skipped) == (first.last_run, 1)
        await end(world, first.last_run)
        third = await self._next(world, clock, second)
        assert third.last_slot == stored.slot + 2 * MINUTE

    async def test_a_slot_waits_for_the_run_before_it(self, world: World, clock: ManualClock) -> None:
        """One does, and becomes due with that run's end; those behind it are skipped."""
        stored = await world.put_schedule(nightly(overlap="buffer"))
        first = await self._next(world, clock, stored)
        second = await self._next(world, clock, first)
        third = await self._next(world, clock, second)
        assert (third.buffered, third.skipped, third.last_run) == (stored.slot + MINUTE, 1, first.last_run)
        assert await look(world) == []
        await end(world, first.last_run)
        assert await look(world) == [third]
        fired = await fire(world, third)
        assert fired.schedule is not None
        assert (fired.schedule.buffered, fired.schedule.last_slot) == (NEVER, stored.slot + MINUTE)
        assert fired.schedule.slot == third.slot
        assert await look(world) == []

    async def test_a_slot_cancels_the_run_before_it(self, world: World, clock: ManualClock) -> None:
        """And begins its own in the same transaction."""
        stored = await world.put_schedule(nightly(overlap="cancel"))
        first = await self._next(world, clock, stored)
        clock.set(first.due)
        fired = await fire(world, first)
        assert fired.schedule is not None
        assert fired.cancelled == (first.last_run,)
        assert (await world.get_run(first.last_run)).status == "cancelled"
        assert fired.schedule.last_slot == first.slot
        assert (await self._run_of(world, fired.schedule)).status == "pending"

    async def test_runs_may_overlap(self, world: World, clock: ManualClock) -> None:
        """Where that is allowed, by the schedule or for once."""
        stored = await world.put_schedule(nightly(overlap="allow"))
        first = await self._next(world, clock, stored)
        second = await self._next(world, clock, first)
        assert len({first.last_run, second.last_run}) == 2
        assert (await self._run_of(world, first)).status == "pending"
        strict = await self._next(world, clock, await world.put_schedule(replace(second, overlap="skip")))
        assert strict.last_run == second.last_run
        once = await fire(world, strict, strict.slot, now=clock.now(), overlap="allow")
        assert once.started == (rules.run_id(strict, strict.slot),)

    async def test_a_schedule_may_be_for_once(self, world: World, clock: ManualClock) -> None:
        """It is forgotten in the transaction that starts its run, and may be put off until then."""
        first = await world.put_schedule(
            nightly(timing=Timing(at=clock.now() + 10), once=True, latest=clock.now() + 99)
        )
        put_off = await world.put_schedule(replace(first, timing=Timing(at=clock.now() + 20)))
        assert (put_off.due, put_off.latest) == (clock.now() + 20, clock.now() + 99)
        clock.advance(20)
        fired = await fire(world, put_off)
        assert fired.started == (rules.run_id(put_off, put_off.slot),)
        assert await world.schedules() == []
        assert (await world.get_run(fired.started[0])).status == "pending"

    async def test_a_paused_schedule_is_never_due(self, world: World, clock: ManualClock) -> None:
        """What it has missed is not made up for when it goes on."""
        stored = await world.put_schedule(nightly())
        paused = await world.put_schedule(replace(stored, paused=True))
        clock.advance(10 * MINUTE)
        assert await look(world) == []
        assert (await world.due_schedules((APP,))).next_at is None
        going = await world.put_schedule(replace(paused, paused=False))
        assert going.slot > clock.now()
        assert await look(world) == []

    async def test_a_clock_that_is_put_back_makes_a_schedule_due(self, world: World, clock: ManualClock) -> None:
        """So that its slots are reckoned anew, instead of waited for until the time that the clock had shown."""
        stored = await world.put_schedule(nightly())
        clock.jump(365 * 24 * 60 * MINUTE)
        ahead = await self._fired(world, await world.schedule(APP, "nightly"))
        assert await look(world) == []
        clock.jump(-365 * 24 * 60 * MINUTE)
        assert await look(world) == [ahead]
        back = await self._fired(world, ahead)
        assert back.slot == stored.slot
        assert await look(world) == []

    async def test_a_slot_that_comes_again_begins_no_second_run(self, world: World, clock: ManualClock) -> None:
        """When the clock was put back past it."""
        stored = await world.put_schedule(nightly())
        first = await self._next(world, clock, stored)
        await end(world, first.last_run)
        ended = await world.get_run(first.last_run)
        clock.jump(-2 * MINUTE)
        back = await self._fired(world, first)
        assert back.slot < first.last_slot
        clock.set(first.last_slot)
        fired = await fire(world, back, first.last_slot)
        assert fired.started == (first.last_run,)
        assert await world.get_run(first.last_run) == ended
        assert await take(world) == []

    async def test_of_many_who_fire_one_does(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """At the same moment, each through a world of its own: one run, and each other learns that it came too late."""
        stored = await world.put_schedule(nightly())
        clock.set(stored.due)
        fired = await at_once(lambda: make_world(clock), [lambda other: fire(other, stored)] * 8)
        assert sum(each.schedule is not None for each in fired) == 1
        assert len(await take(world)) == 1

    async def test_others_see_it(self, world: World, make_world: MakeWorld) -> None:
        """Through another world on the same store."""
        stored = await world.put_schedule(nightly())
        async with opened(make_world()) as other:
            assert await other.schedules(APP) == [stored]

    async def _next(self, world: World, clock: ManualClock, schedule: Schedule) -> Schedule:
        """Return a schedule after its next slot."""
        clock.set(schedule.due)
        return await self._fired(world, schedule)

    async def _fired(self, world: World, schedule: Schedule) -> Schedule:
        """Return a schedule that has been fired now."""
        fired = (await fire(world, schedule)).schedule
        assert fired is not None
        return fired

    async def _run_of(self, world: World, schedule: Schedule) -> Run:
        return await world.get_run(schedule.last_run)
