"""Runs that go from world to world, with all that belongs to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from msgspec.structs import replace

from torpor.attributes import LEAVING, MOVED
from torpor.errors import (
    CapsuleError,
    EntityConflictError,
    HookNotFoundError,
    LeaseLostError,
    RunBusyError,
    RunMovedError,
    RunNotFoundError,
)
from torpor.model import NOTHING, NOW, Commit, Event, LogEntry, NewTask, Parcel, build_key
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    WORKER,
    T,
    Turn,
    begin,
    claim,
    claim_step,
    ending,
    everything,
    hook,
    hook_statuses,
    new_run,
    open_steps,
    outcome,
    snapshot,
    step,
    take,
    types,
    wait,
    watching,
)
from torpor.testing.worlds.suite import Suite, opened
from torpor.world import World
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.parcels import same_run

NO_TIME: Final = 10**12


async def live(world: World) -> Turn:
    """Let a run live: steps, a task, a wait, hooks, messages, lines, streams, a snapshot; it sleeps then."""
    await world.create_run(replace(new_run(OTHER), starts_at=T + NO_TIME))
    await world.create_run(replace(new_run(), attributes={"customer": "c-17"}, deadline=T + NO_TIME))
    turn = await claim(world)
    await turn.commit(
        Event("run_started", T),
        step("step_created", 1),
        step("step_created", 2, attempt=1),
        wait("wait_created", 3, T + 1_000),
        hook("hook_created", 4, "token"),
        replace(hook("hook_created", 5, "gone"), due=5_000),
        replace(hook("hook_disposed", 5, "gone"), payload=None),
        Event("hook_created", T, "hook_06", op=6, digest=b"digest06", name="$end", ref=OTHER),
        tasks=[NewTask("step_01"), NewTask("step_02", T + 60_000)],
        lines=[LogEntry(1, T, "info", "one"), LogEntry(-5, T, "warn", "a note")],
        ops=6,
        logs=1,
    )
    await world.send(RUN, "mail", b"devl[1]", "m1")
    await world.resume_hook("token", b"devl[2]", "r1")
    await world.write_stream(batch("a", "b"))
    await world.write_stream(batch("c", writer="step_02"))
    await world.write_stream(batch("d", "e", name="more", end=True))
    head = (await world.get_run(RUN)).head
    turn.head, turn.held = head, None
    await turn.commit(snapshot=snapshot(), park=True, ops=6, logs=1, received=1, receiving=("mail",))
    return turn


def arrived(parcel: Parcel, **changes: object) -> Parcel:
    """Return a parcel as it is once it has arrived: behind another fence."""
    run = replace(parcel.run, epoch=parcel.run.epoch + 1, **changes)
    return replace(parcel, entities=replace(parcel.entities, run=run))


class ParcelsSuite(Suite):
    """The ``Parcels`` protocol. Runs come from, and go to, a world in memory; its own group compares two of those."""

    @pytest_asyncio.fixture
    async def elsewhere(self, clock: ManualClock) -> AsyncIterator[World]:
        """Yield another world, on the same clock."""
        async with opened(MemoryWorld(clock=clock)) as world:
            yield world

    async def test_a_run_arrives_as_it_was(self, world: World, elsewhere: World) -> None:
        """With all that belongs to it, and only its fence is another one."""
        await live(elsewhere)
        sent = await elsewhere.parcel(RUN)
        assert len(sent.streams) == 2, "the story has all kinds of things"
        assert (sent.messages, sent.resumed) == (("m1",), (("token", "r1"),))
        assert sent.reserved == {"gone": T + 5_000}
        run = await world.put_parcel(sent)
        assert run == await world.get_run(RUN)
        assert await world.parcel(RUN) == arrived(sent)
        assert not await world.damaged()

    async def test_a_run_leaves_as_it_was(self, world: World, elsewhere: World) -> None:
        """What a world tells of a run is what another one would of the same story."""
        await live(world)
        await live(elsewhere)
        sent = await world.parcel(RUN)
        assert sent == await elsewhere.parcel(RUN)
        before = await everything(world)
        await world.parcel(RUN)
        assert await everything(world) == before, "and nothing changes"
        with pytest.raises(RunNotFoundError):
            await world.parcel("wrun_01C")

    async def test_it_goes_on(self, world: World, elsewhere: World, clock: ManualClock) -> None:
        """Timers, tasks, hooks, messages, streams: all go on, and what came once is known."""
        await live(elsewhere)
        await world.put_parcel(await elsewhere.parcel(RUN))
        assert await elsewhere.events(RUN) == await world.events(RUN)
        task = await claim_step(world)
        assert (task.step_id, task.input, task.attempt) == ("step_01", b"devl[1]", 1)
        await world.finish_step(outcome(task, "step_completed"))
        head = (await world.get_run(RUN)).head
        await world.send(RUN, "mail", b"devl[1]", "m1")
        assert await world.resume_hook("token", b"devl[2]", "r1") == RUN
        assert (await world.get_run(RUN)).head == head, "both were received before"
        assert await world.resume_hook("token", b"devl[3]", "r2") == RUN
        assert (await world.write_stream(batch("e", first=2))).count == 4
        turn = await claim(world)
        assert turn.held is not None
        assert turn.held.run.receiving == ("mail",)
        state = await world.load(RUN)
        assert state.snapshot is not None
        assert state.snapshot.data == b"delta"
        await turn.commit(hook("hook_created", 7, "gone"), park=True, ops=7)
        assert (await hook_statuses(world))["hook_07"] == "live", "its own token is reserved for it"
        clock.advance(1_000)
        turn = await claim(world)
        await turn.commit(inputs=[wait("wait_completed", 3, at=T + 1_000)], park=True)
        assert (await world.get_run(RUN)).ready_at is None

    async def test_what_was_claimed_is_ready(self, world: World, elsewhere: World) -> None:
        """As if its worker had died: the turn, and a task; and what nobody knows the end of is blocked."""
        turn = await begin(elsewhere, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")])
        assert len(await take(elsewhere, turns_max=0, once=("pay",))) == 1
        await world.put_parcel(await elsewhere.parcel(RUN))
        run = await world.get_run(RUN)
        assert (run.worker, run.ready_at) == ("", NOW)
        [row] = await open_steps(world)
        assert (row.status, row.worker) == ("blocked", "")
        assert "attempt 1" in row.snoozed
        with pytest.raises(LeaseLostError):
            await Turn(world, turn.task, run.head).commit(park=True)

    async def test_a_task_under_way_is_tried_again(self, world: World, elsewhere: World) -> None:
        """By whoever takes it; who has it elsewhere has nothing here."""
        turn = await begin(elsewhere, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        task = await claim_step(elsewhere)
        await elsewhere.keep_progress(RUN, "step_01", 1, b"half")
        await world.put_parcel(await elsewhere.parcel(RUN))
        again = await claim_step(world)
        assert (again.attempt, again.epoch, again.progress) == (2, task.epoch + 2, b"half")
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))

    async def test_an_id_is_taken_once(self, world: World, elsewhere: World) -> None:
        """A run that is there is left alone, be it the same one."""
        await live(elsewhere)
        sent = await elsewhere.parcel(RUN)
        await world.put_parcel(sent)
        before = await everything(world)
        with pytest.raises(EntityConflictError, match=RUN):
            await world.put_parcel(sent)
        assert await everything(world) == before
        assert same_run(sent.run, await world.get_run(RUN))
        assert not same_run(sent.run, await world.create_run(new_run(OTHER)))

    async def test_a_token_is_somebodys(self, world: World, elsewhere: World) -> None:
        """A run whose token another one has does not come, nor any of it; of one that is reserved neither."""
        await live(elsewhere)
        sent = await elsewhere.parcel(RUN)
        turn = await begin(world, OTHER, replace(hook("hook_created", 1, "token"), due=9_000))
        with pytest.raises(EntityConflictError, match=f"'token'.*{OTHER}"):
            await world.put_parcel(sent)
        await turn.commit(replace(hook("hook_disposed", 1), payload=None))
        with pytest.raises(EntityConflictError, match=f"'token'.*{OTHER}"):
            await world.put_parcel(sent)
        with pytest.raises(RunNotFoundError):
            await world.get_run(RUN)
        assert not await world.damaged()

    async def test_what_others_received_here_stays_theirs(self, world: World, elsewhere: World) -> None:
        """A payload's id, and a token that is reserved here."""
        await live(elsewhere)
        sent = await elsewhere.parcel(RUN)
        turn = await begin(
            world, OTHER, hook("hook_created", 1, "token"), replace(hook("hook_created", 2, "gone"), due=9_000)
        )
        await world.resume_hook("token", b"devl[9]", "r1")
        turn.head, turn.held = (await world.get_run(OTHER)).head, None
        disposed = [replace(hook("hook_disposed", n, name), payload=None) for n, name in ((1, "token"), (2, "gone"))]
        await turn.commit(*disposed, park=True)
        await world.put_parcel(sent)
        assert await world.resumed("token", "r1") == OTHER
        await world.send(RUN, "mail", b"devl[3]", "m3")
        turn = await claim(world)
        await turn.commit(hook("hook_created", 7, "gone"), park=True)
        assert (await hook_statuses(world))["hook_07"] == "conflict"
        assert not await world.damaged()

    async def test_whom_it_watches_may_have_ended_here(self, world: World, elsewhere: World) -> None:
        """Then it is told when it arrives; of one that is not here it hears once that one comes, or ends."""
        await live(elsewhere)
        turn = await begin(world, OTHER)
        await turn.commit(ending())
        await world.put_parcel(await elsewhere.parcel(RUN))
        last = (await world.events(RUN))[-1]
        assert (last.type, last.id, last.ref, last.payload) == ("hook_received", "hook_06", OTHER, NOTHING)
        assert (await hook_statuses(world))["hook_06"] == "told"
        assert (await world.get_run(RUN)).ready_at == NOW

    async def test_an_end_that_arrives_is_told(self, world: World, elsewhere: World) -> None:
        """Those who watch the run hear of it."""
        await begin(world, OTHER, watching(1, RUN))
        turn = await begin(elsewhere)
        await turn.commit(ending())
        sent = await elsewhere.parcel(RUN)
        assert (await world.put_parcel(sent)).status == "completed"
        assert (await types(world, OTHER))[-1] == "hook_received"
        assert await world.parcel(RUN) == arrived(sent)

    async def test_a_failed_run_can_be_taken_up_again(self, world: World, elsewhere: World) -> None:
        """It keeps what was open."""
        turn = await begin(elsewhere, RUN, wait("wait_created", 1, T + 5), hook("hook_created", 2))
        await turn.commit(ending("run_failed"))
        await world.put_parcel(await elsewhere.parcel(RUN))
        assert (await world.retry_run(RUN)).status == "running"
        assert (await hook_statuses(world)) == {"hook_02": "live"}

    async def test_a_log_may_begin_late(self, world: World, elsewhere: World) -> None:
        """Inputs of steps come with their rows then."""
        await live(elsewhere)
        await elsewhere.send(RUN, "mail", b"devl[3]", "m3")
        turn = await claim(elsewhere)
        await elsewhere.put_blob(build_key("b1"), b"build")
        await turn.commit(snapshot=snapshot(), build="b1", park=True, ops=6, logs=1, received=1, receiving=("mail",))
        await elsewhere.archive(RUN, 6)
        sent = await elsewhere.parcel(RUN)
        assert (sent.run.base, sent.log[0].seq) == (6, 7)
        await world.put_parcel(sent)
        assert await world.parcel(RUN) == arrived(sent)
        assert (await claim_step(world)).input == b"devl[1]"

    async def test_a_paused_run_stays_so(self, world: World, elsewhere: World) -> None:
        """Nobody claims it."""
        await live(elsewhere)
        await elsewhere.pause_run(RUN)
        await world.put_parcel(await elsewhere.parcel(RUN))
        assert not await take(world)
        await world.unpause_run(RUN)
        assert [task.kind for task in await take(world)] == ["turn", "step"]

    async def test_a_run_may_arrive_paused(self, world: World, elsewhere: World) -> None:
        """Then nothing happens in it, and its log says so."""
        await live(elsewhere)
        await world.put_parcel(await elsewhere.parcel(RUN), paused=True)
        assert (await types(world))[-1] == "run_paused"
        assert not await take(world)
        await world.unpause_run(RUN)
        assert [task.kind for task in await take(world)] == ["turn", "step"]

    async def test_one_that_has_not_begun(self, world: World, elsewhere: World, clock: ManualClock) -> None:
        """It begins when it was to."""
        await elsewhere.create_run(replace(new_run(), starts_at=T + 50))
        await world.put_parcel(await elsewhere.parcel(RUN))
        assert not await take(world)
        clock.advance(50)
        assert len(await take(world)) == 1

    async def test_nonsense_is_refused(self, world: World, elsewhere: World) -> None:
        """Nothing of what does not fit together is stored."""
        await live(elsewhere)
        sent = await elsewhere.parcel(RUN)
        with pytest.raises(CapsuleError, match="nothing was stored"):
            await world.put_parcel(replace(sent, log=sent.log[1:]))
        with pytest.raises(RunNotFoundError):
            await world.get_run(RUN)

    # Leaving

    async def test_nothing_happens_in_a_run_that_leaves(self, world: World, clock: ManualClock) -> None:
        """Nobody claims it, whoever does something to it is told where it goes, and its parcel can be read."""
        await live(world)
        before = await world.parcel(RUN)
        run = await world.leave(RUN, "memory://there")
        assert run.attributes[LEAVING] == "memory://there"
        assert await world.leave(RUN, "memory://there") == run
        clock.advance(120_000)
        assert not await take(world)
        for act in (
            world.send(RUN, "mail", b"devl[1]", "m9"),
            world.resume_hook("token", b"devl[1]", "r9"),
            world.cancel_run(RUN, ""),
            world.pause_run(RUN),
            world.wake_up(RUN),
            world.set_attributes(RUN, {"a": "b"}),
            world.create_run(new_run()),
            world.leave(RUN, "memory://elsewhere"),
        ):
            with pytest.raises(RunMovedError, match="memory://there"):
                await act
        with pytest.raises(EntityConflictError):
            await world.delete_run(RUN)
        sent = await world.parcel(RUN)
        assert (sent.log, sent.lines, sent.streams) == (before.log, before.lines, before.streams)

    async def test_a_run_at_work_does_not_leave(self, world: World) -> None:
        """Nor one with a step at work."""
        turn = await begin(world, RUN, step("step_created", 1))
        with pytest.raises(RunBusyError, match=RUN):
            await world.leave(RUN, "memory://there")
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        task = await claim_step(world)
        with pytest.raises(RunBusyError, match=RUN):
            await world.leave(RUN, "memory://there")
        await world.finish_step(outcome(task, "step_completed"))
        await world.leave(RUN, "memory://there")
        with pytest.raises(RunMovedError):
            await turn.commit(park=True)

    async def test_a_run_may_stay(self, world: World) -> None:
        """Then all is as before, and its turn is ready once more."""
        await live(world)
        await world.leave(RUN, "memory://there")
        await world.stay(RUN)
        assert {task.kind for task in await take(world)} == {"turn", "step"}
        with pytest.raises(EntityConflictError):
            await world.stay(RUN)
        with pytest.raises(EntityConflictError):
            await world.left(RUN)

    async def test_a_run_moves(self, world: World, elsewhere: World, clock: ManualClock) -> None:
        """It goes on there; here its name is kept, and all else is gone."""
        await live(world)
        await world.leave(RUN, "memory://there")
        await elsewhere.put_parcel(await world.parcel(RUN))
        moved = await elsewhere.get_run(RUN)
        assert (LEAVING in moved.attributes, moved.attributes["customer"]) == (False, "c-17")
        await world.left(RUN)
        while not await world.delete_run(RUN, keep_name=True, rows_max=3):
            assert MOVED in (await world.get_run(RUN)).attributes
        await world.left(RUN)
        with pytest.raises(RunMovedError, match="memory://there"):
            await world.create_run(new_run())
        with pytest.raises(HookNotFoundError):
            await world.resume_hook("token", b"devl[1]", "r9")
        assert len(await types(world)) == 1
        with pytest.raises(CapsuleError, match="gone to world memory://there"):
            await MemoryWorld(clock=clock).put_parcel(await world.parcel(RUN))
        assert not await world.damaged()
        clock.advance(2 * NO_TIME)
        assert [task.run_id for task in await take(world)] == [OTHER]
        await take(elsewhere)
        assert (await elsewhere.get_run(RUN)).error_code == "DEADLINE_EXCEEDED", "it passes where it is"
        assert await world.delete_run(RUN)

    async def test_an_end_is_told_where_the_watcher_is(self, world: World, elsewhere: World) -> None:
        """A run that leaves hears nothing here, and of what happened meanwhile when it arrives with whom it watches."""
        child = await begin(world, OTHER)
        await begin(world, RUN, watching(1, OTHER))
        state = await world.load(RUN)
        await world.commit(Commit(RUN, WORKER, state.run.epoch, state.run.head, park=True), state.held)
        await world.leave(RUN, "memory://there")
        await child.commit(ending())
        assert (await types(world))[-1] == "hook_created"
        await world.leave(OTHER, "memory://there")
        for run_id in (RUN, OTHER):
            await elsewhere.put_parcel(await world.parcel(run_id))
        assert (await types(elsewhere))[-1] == "hook_received"
