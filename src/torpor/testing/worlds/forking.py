"""Runs that begin with the log of another one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.attributes import FORKED
from torpor.errors import EntityConflictError
from torpor.model import NOW, Event, LogEntry, NewFork
from torpor.testing.worlds.story import OTHER, RUN, T, claim, ending, hook, new_run, step, take, wait, watching
from torpor.testing.worlds.suite import Suite
from torpor.world import World

FORK = "wrun_01F"

LOG = (
    Event("run_created", T, payload=b"devl[[]]"),
    Event("run_started", T),
    step("step_created", 1),
    step("step_started", 1),
    step("step_completed", 1),
    step("step_created", 2),
    wait("wait_created", 3, T + 99),
    hook("hook_created", 4),
)
"""A step that has ended, one that is open, a timer and a hook."""


def forked(*more: Event, log: tuple[Event, ...] = LOG, run_id: str = FORK) -> NewFork:
    """Return a fork to store, of :data:`RUN` after its event 8."""
    numbered = tuple(replace(event, seq=seq) for seq, event in enumerate(log, 1))
    new = replace(new_run(run_id), input=b"", attributes={"customer": "c-1"})
    after = (Event("run_forked", 0, ref=RUN, due=8, payload=b"who it was"), *more)
    line = LogEntry(1, T, "info", "hello")
    return NewFork(new, RUN, 8, numbered, after, ops=4, logs=1, lines=(line,))


class ForkingSuite(Suite):
    """``fork_run``."""

    async def test_a_fork_has_the_log_and_what_is_open(self, world: World) -> None:
        """Its rows follow from the log; it is ready at once, and says where it is from."""
        run = await world.fork_run(forked())
        assert await world.get_run(FORK) == run
        assert (run.status, run.head, run.ops, run.logs, run.ready_at) == ("running", 9, 4, 1, NOW)
        assert run.attributes == {"customer": "c-1", FORKED: f"{RUN}@8"}
        events = await world.events(FORK)
        assert [event.type for event in events] == [*(event.type for event in LOG), "run_forked"]
        assert [event.seq for event in events] == list(range(1, 10))
        assert events[-1].at >= T
        assert (await world.log_entries(FORK))[0].text == "hello"
        held = await world.open_entities(FORK)
        assert {each.op: (each.status, each.task) for each in held.steps.values()} == {2: ("pending", False)}
        assert [each.due for each in held.waits.values()] == [T + 99]
        assert [(each.token, each.status) for each in held.hooks.values()] == [("token", "live")]
        assert (await world.hook("token")).run_id == FORK

    async def test_a_fork_goes_on(self, world: World) -> None:
        """Its turn is claimed as any other's, with its log, and ends it."""
        await world.fork_run(forked())
        [task] = await take(world)
        assert (task.run_id, task.kind) == (FORK, "turn")
        state = await world.load(FORK)
        assert (len(state.events), state.snapshot) == (9, None)

    async def test_attempts_of_tasks_are_not_in_the_log(self, world: World) -> None:
        """A step that was claimed as a task, and one that was tried again so, have outcomes without a beginning."""
        tried = (
            *LOG[:2],
            step("step_created", 1),
            step("step_completed", 1, attempt=1),
            step("step_created", 2),
            step("step_retrying", 2, attempt=1, due=T + 5),
            step("step_completed", 2, attempt=2),
        )
        await world.fork_run(forked(log=tried))
        assert (await world.open_entities(FORK)).steps == {}
        assert (await world.get_run(FORK)).head == len(tried) + 1

    async def test_a_chosen_outcome_ends_an_open_step(self, world: World) -> None:
        """It stands behind the fork."""
        started = Event("step_started", 0, "step_02", op=2, name="pay", attempt=1)
        chosen = replace(started, type="step_completed", payload=b"devl[7]")
        await world.fork_run(forked(started, chosen))
        assert [event.type for event in await world.events(FORK, after=8)] == [
            "run_forked",
            "step_started",
            "step_completed",
        ]
        assert (await world.open_entities(FORK)).steps == {}

    async def test_asking_again_changes_nothing(self, world: World) -> None:
        """The same origin and place are the same fork; another one is refused."""
        run = await world.fork_run(forked())
        assert await world.fork_run(forked()) == run
        with pytest.raises(EntityConflictError):
            await world.fork_run(replace(forked(), place=7))
        await world.create_run(new_run())
        with pytest.raises(EntityConflictError):
            await world.fork_run(forked(run_id=RUN))

    async def test_a_token_that_another_run_has_is_not_taken_over(self, world: World) -> None:
        """Nothing is stored then; once it is free, it is."""
        await world.create_run(new_run())
        origin = await claim(world)
        await origin.commit(Event("run_started", T), hook("hook_created", 1))
        with pytest.raises(EntityConflictError, match=f"run {RUN} has that token"):
            await world.fork_run(forked())
        assert await world.statuses({FORK}) == {}
        await origin.commit(ending())
        await world.fork_run(forked())
        assert (await world.hook("token")).run_id == FORK

    async def test_a_fork_watches_what_its_origin_watched(self, world: World) -> None:
        """Of a run that has ended it is told at once, of one that goes on when it ends."""
        await world.create_run(new_run(OTHER))
        other = await claim(world)
        await other.commit(Event("run_started", T))
        log = (*LOG[:2], watching(1, OTHER))
        await world.fork_run(replace(forked(log=log), ops=1))
        assert (await world.events(FORK))[-1].type == "run_forked"
        await other.commit(ending())
        assert (await world.events(FORK))[-1].type == "hook_received"
        await world.fork_run(replace(forked(log=log, run_id="wrun_01G"), ops=1))
        assert [event.type for event in await world.events("wrun_01G", after=3)] == ["run_forked", "hook_received"]

    async def test_a_log_that_no_run_begins_with_is_refused(self, world: World) -> None:
        """One without its beginning, with an ending, or with gaps."""
        for log in (LOG[1:], (*LOG, ending("run_failed")), ()):
            with pytest.raises(EntityConflictError):
                await world.fork_run(forked(log=log))
        gap = forked()
        with pytest.raises(EntityConflictError):
            await world.fork_run(replace(gap, before=gap.before[:3] + gap.before[4:]))
        assert await world.statuses({FORK}) == {}
