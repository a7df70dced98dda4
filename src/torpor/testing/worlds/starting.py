"""What runs may be started with: a priority, a time to begin, a deadline, attributes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.attributes import PER_RUN_MAX
from torpor.errors import EntityConflictError, LeaseLostError, LimitExceededError
from torpor.model import NOW, Event, NewTask, RunFilter
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    WORKER,
    T,
    Turn,
    ask,
    begin,
    claim,
    ending,
    new_run,
    outcome,
    step,
    take,
    types,
    watching,
    worker_row,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

MINUTE = 60_000
HOUR = 60 * MINUTE


class StartingSuite(Suite):
    """Runs that were started with more than arguments."""

    async def test_what_a_run_is_started_with_is_kept(self, world: World) -> None:
        """All of it comes back, in every way of reading the run."""
        about = {"priority": -3, "starts_at": T + 9, "deadline": T + HOUR, "attributes": {"käse": "ü", "$status": ""}}
        run = await world.create_run(replace(new_run(), **about))
        assert {name: getattr(run, name) for name in about} == about
        assert await world.get_run(RUN) == run
        assert (await world.load(RUN)).run == run

    # Priority

    async def test_the_higher_priority_comes_first(self, world: World, clock: ManualClock) -> None:
        """Of what is ready the highest is claimed first, and of equals the longest ready."""
        for run_id, priority in (("wrun_1", 0), ("wrun_2", -1), ("wrun_3", 10), ("wrun_4", 10)):
            await world.create_run(replace(new_run(run_id), priority=priority))
            clock.advance(1)
        claimed = [(await take(world, turns_max=1))[0].run_id for _ in range(4)]
        assert claimed == ["wrun_3", "wrun_4", "wrun_1", "wrun_2"]

    async def test_what_is_due_is_no_less(self, world: World, clock: ManualClock) -> None:
        """A run whose time has come stands before one of a lower priority that was ready long before."""
        await world.create_run(new_run())
        await world.create_run(replace(new_run(OTHER), priority=1, starts_at=T + 5))
        clock.advance(5)
        assert [task.run_id for task in await take(world)] == [OTHER, RUN]

    async def test_steps_have_their_runs_priority(self, world: World) -> None:
        """Of step tasks, too, the highest is claimed first."""
        for run_id, priority in ((RUN, 0), (OTHER, 2)):
            await world.create_run(replace(new_run(run_id), priority=priority))
        for _ in range(2):
            [task] = await take(world, turns_max=1, steps_max=0)
            turn = Turn(world, task, 1)
            await turn.commit(Event("run_started", T), step("step_created", 1), tasks=[NewTask("step_01")], park=True)
        assert [task.run_id for task in await take(world, steps_max=2)] == [OTHER, RUN]

    # Time to begin

    async def test_a_run_begins_at_its_time(self, world: World, clock: ManualClock) -> None:
        """Nobody gets it before, and who asks is told when to ask again."""
        await world.create_run(replace(new_run(), starts_at=T + HOUR))
        asked = await ask(world)
        assert (asked.tasks, asked.next_at) == ([], T + HOUR)
        clock.advance(HOUR)
        assert [task.run_id for task in await take(world)] == [RUN]

    async def test_a_time_that_has_passed_is_now(self, world: World) -> None:
        """It is ready at once."""
        run = await world.create_run(replace(new_run(), starts_at=T - 1))
        assert (run.ready_at, run.queued_at) == (NOW, T)

    async def test_what_comes_before_does_not_begin_it(self, world: World) -> None:
        """A run that is not to begin yet waits, whatever is said of it; it can be cancelled."""
        await world.create_run(replace(new_run(), starts_at=T + HOUR))
        await world.set_attributes(RUN, {"a": "b"})
        assert await take(world) == []
        assert (await world.cancel_run(RUN, "")).status == "cancelled"

    # Deadline

    async def test_a_deadline_ends_a_run(self, world: World, clock: ManualClock) -> None:
        """One that sleeps ends as failed, by whoever looks for work next, of whatever application; it says why."""
        await world.create_run(replace(new_run(), deadline=T + HOUR))
        await (await claim(world)).commit(Event("run_started", T), park=True)
        assert (await ask(world, apps=("bank",))).next_at == T + HOUR
        clock.advance(HOUR)
        assert await take(world, apps=("bank",)) == []
        run = await world.get_run(RUN)
        assert (run.status, run.error_code, run.ended_at) == ("failed", "DEADLINE_EXCEEDED", T + HOUR)
        last = (await world.events(RUN))[-1]
        assert (last.type, last.name, last.due, last.payload) == ("run_failed", "DEADLINE_EXCEEDED", T + HOUR, None)

    async def test_one_that_has_not_begun_ends_too(self, world: World, clock: ManualClock) -> None:
        """It is not handed out any more."""
        await world.create_run(replace(new_run(), deadline=T + 1))
        clock.advance(1)
        assert await take(world) == []
        assert await types(world) == ["run_created", "run_failed"]

    async def test_a_heartbeat_sees_to_it(self, world: World, clock: ManualClock) -> None:
        """A worker that has no room for work ends what is overdue."""
        await world.register(worker_row())
        await world.create_run(replace(new_run(), deadline=T + 1))
        await world.heartbeat(WORKER)
        assert (await world.get_run(RUN)).status == "pending"
        clock.advance(1)
        await world.heartbeat(WORKER)
        assert (await world.get_run(RUN)).status == "failed"

    async def test_who_works_on_it_is_fenced_off(self, world: World, clock: ManualClock) -> None:
        """Neither its turn nor its step can store anything any more."""
        await world.create_run(replace(new_run(), deadline=T + 1))
        turn = await claim(world)
        await turn.commit(Event("run_started", T), step("step_created", 1), tasks=[NewTask("step_01")])
        [task] = await take(world, turns_max=0)
        clock.advance(1)
        await take(world)
        with pytest.raises((LeaseLostError, EntityConflictError)):
            await turn.commit(ending())
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))

    async def test_those_who_watch_it_are_told(self, world: World, clock: ManualClock) -> None:
        """A run that waits for the end of another is woken by its deadline."""
        await world.create_run(replace(new_run(OTHER), deadline=T + 1))
        await (await claim(world)).commit(Event("run_started", T), park=True)
        parent = await begin(world, RUN, watching(1, OTHER))
        await parent.commit(park=True)
        clock.advance(1)
        assert [task.run_id for task in await take(world)] == [RUN]

    async def test_a_run_that_has_ended_has_none(self, world: World, clock: ManualClock) -> None:
        """It stays as it is."""
        await world.create_run(replace(new_run(), deadline=T + 1))
        await (await claim(world)).commit(Event("run_started", T), ending())
        clock.advance(1)
        assert await ask(world) == await ask(world)
        assert (await world.get_run(RUN)).status == "completed"

    # Attributes

    async def test_attributes_are_changed(self, world: World) -> None:
        """From outside and by a turn; null takes one away; the log tells, and nobody is woken."""
        await world.create_run(replace(new_run(), attributes={"a": "1", "b": "2"}))
        turn = await claim(world)
        await turn.commit(Event("run_started", T), Event("attr_set", T, op=1, digest=b"d", ref='{"c": "3", "a": null}'))
        await turn.commit(park=True)
        run = await world.set_attributes(RUN, {"b": None, "d": "4"})
        assert run.attributes == {"c": "3", "d": "4"}
        assert (await world.get_run(RUN)) == run
        assert await types(world) == ["run_created", "run_started", "attr_set", "attr_set"]
        assert await take(world) == []

    async def test_a_turn_goes_on_beside_it(self, world: World) -> None:
        """A commit that does not know of a change from outside is stored."""
        turn = await begin(world)
        await world.set_attributes(RUN, {"a": "1"})
        assert (await turn.commit(step("step_created", 1))).stored
        assert (await world.get_run(RUN)).attributes == {"a": "1"}

    async def test_attributes_are_limited(self, world: World) -> None:
        """One more than a run may have is refused, and its own of Torpor are not counted; nothing is stored."""
        full = {f"a{n}": "" for n in range(PER_RUN_MAX)}
        run = await world.create_run(replace(new_run(), attributes=full | {"$status": "waits"}))
        with pytest.raises(LimitExceededError, match=f"would have {PER_RUN_MAX + 1} attributes"):
            await world.set_attributes(RUN, {"more": ""})
        assert await world.get_run(RUN) == run
        await world.set_attributes(RUN, {"a0": None, "more": ""})

    async def test_an_ended_run_keeps_its_attributes(self, world: World) -> None:
        """Nothing is said of it any more."""
        await world.create_run(replace(new_run(), attributes={"a": "1"}))
        await world.cancel_run(RUN, "")
        with pytest.raises(EntityConflictError, match="attr_set refused"):
            await world.set_attributes(RUN, {"a": "2"})
        assert await self._found(world, a="1") == [RUN]

    async def test_runs_are_found_by_attributes(self, world: World) -> None:
        """By all that are given, with whatever else is asked, newest first and page by page."""
        for n in range(6):
            attributes = {"customer": f"c{n % 2}", "region": "eu" if n < 4 else "us"}
            await world.create_run(replace(new_run(f"wrun_{n}"), attributes=attributes))
        await world.cancel_run("wrun_2", "")
        await world.set_attributes("wrun_0", {"customer": None})
        assert await self._found(world, customer="c0") == ["wrun_4", "wrun_2"]
        assert await self._found(world, customer="c1", region="eu") == ["wrun_3", "wrun_1"]
        assert await self._found(world, customer="c1", region="none") == []
        page = RunFilter(attributes={"customer": "c1"}, before="wrun_5", limit=1)
        assert [run.id for run in await world.list_runs(page)] == ["wrun_3"]
        cancelled = RunFilter(status="cancelled", workflow="order", app="", attributes={"region": "eu"})
        assert [run.id for run in await world.list_runs(cancelled)] == ["wrun_2"]
        assert await world.list_runs(replace(cancelled, workflow="refund")) == []
        assert await world.list_runs(replace(cancelled, app="shop")) == []

    @staticmethod
    async def _found(world: World, **attributes: str) -> list[str]:
        return [run.id for run in await world.list_runs(RunFilter(attributes=attributes))]
