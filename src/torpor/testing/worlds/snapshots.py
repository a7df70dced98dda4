"""Snapshots: the newest checkpoint of a log, and where it stands."""

from __future__ import annotations

from msgspec.structs import replace

from torpor.testing.worlds.story import (
    RUN,
    WORKER,
    begin,
    hook,
    snapshot,
    step,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class CursorSuite(Suite):
    """Where a snapshot stands in the log: a replay is given every input after it, and none twice."""

    async def test_a_quiet_snapshot_stands_at_the_head(self, world: World) -> None:
        """Without foreign inputs and answers the VM has consumed the whole log."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(step("step_created", 2), inputs=[step("step_completed", 1)], snapshot=snapshot())
        assert await self._cursor(world) == committed.head

    async def test_foreign_inputs_come_after_it(self, world: World) -> None:
        """The VM had not seen them."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        known = turn.head
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit(step("step_created", 2), snapshot=snapshot())
        assert await self._cursor(world) == known

    async def test_own_answers_come_after_it(self, world: World) -> None:
        """The VM asked for the hook and has not been told."""
        turn = await begin(world)
        await turn.commit(step("step_created", 1), hook("hook_created", 2), hook("hook_created", 3, "b"))
        committed = await turn.commit(
            step("step_created", 4), hook("hook_created", 5, "c"), step("step_created", 6), snapshot=snapshot()
        )
        assert await self._cursor(world) == committed.answers[0].seq - 1

    async def test_own_inputs_come_before_it(self, world: World) -> None:
        """Also when answers follow in the same commit."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(hook("hook_created", 2), inputs=[step("step_completed", 1)], snapshot=snapshot())
        assert committed.answers[0].seq == 6
        assert await self._cursor(world) == 5

    async def test_foreign_inputs_and_answers_come_after_it(self, world: World) -> None:
        """Neither had been seen."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        known = turn.head
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit(hook("hook_created", 2, "b"), snapshot=snapshot())
        assert await self._cursor(world) == known

    async def test_a_redo_gets_exactly_the_unconsumed_inputs(self, world: World) -> None:
        """After a crash nothing is lost and nothing is delivered twice."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        committed = await turn.commit(hook("hook_created", 2, "b"), snapshot=snapshot())
        await world.resume_hook("b", b"devl2", "r2")
        await world.release([WORKER])
        state = await world.load(RUN)
        inputs = [event for event in state.events if event.type in {"hook_received", "hook_created"}]
        assert tuple(inputs[:2]) == committed.foreign + committed.answers
        assert [event.payload for event in inputs[2:]] == [b"devl2"]

    async def test_the_newest_snapshot_is_kept(self, world: World) -> None:
        """A commit without one leaves it; a commit with one replaces it."""
        turn = await begin(world)
        await turn.commit(snapshot=snapshot(b"one"))
        await turn.commit(step("step_created", 1))
        assert await world.snapshot(RUN) == replace(snapshot(b"one"), cursor=2)
        await turn.commit(snapshot=snapshot(b"two"))
        assert await world.snapshot(RUN) == replace(snapshot(b"two"), cursor=3)

    async def test_a_snapshot_can_be_forgotten(self, world: World) -> None:
        """The run is then loaded from its whole log; doing it again is harmless."""
        turn = await begin(world)
        await turn.commit(snapshot=snapshot())
        await world.delete_snapshot(RUN)
        await world.delete_snapshot(RUN)
        assert await world.snapshot(RUN) is None
        assert [event.seq for event in (await world.load(RUN)).events] == [1, 2]

    async def _cursor(self, world: World) -> int:
        newest = await world.snapshot(RUN)
        assert newest is not None
        return newest.cursor
