"""Hooks that watch another run: one run learns of another's end, once, with the transaction that ends it."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from torpor.errors import EntityConflictError, HookNotFoundError
from torpor.lifecycle import EventType
from torpor.model import NOTHING, Event
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    Turn,
    begin,
    claim,
    ending,
    everything,
    hook,
    hook_statuses,
    new_run,
    snapshot,
    take,
    types,
    wait,
    watching,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

_ENDS: Final[tuple[EventType, ...]] = ("run_completed", "run_failed", "run_cancelled")


async def _end(world: World, turn: Turn, event: EventType) -> None:
    if event == "run_cancelled":
        await world.cancel_run(turn.task.run_id, "")
    else:
        await turn.commit(ending(event))


class WatchingSuite(Suite):
    """Hooks whose creation names a run; see :class:`torpor.world.Hooks`."""

    @pytest.mark.parametrize("end", _ENDS)
    async def test_an_end_is_told_and_wakes(self, world: World, clock: ManualClock, end: EventType) -> None:
        """However the watched run ends, a parked watcher has its payload at the world's time, and is ready."""
        child = await begin(world, OTHER)
        parent = await begin(world, RUN)
        await parent.commit(watching(1, OTHER), park=False)
        await parent.commit(park=True)
        clock.advance(7)
        await _end(world, child, end)
        last = (await world.events(RUN))[-1]
        assert last == Event("hook_received", T + 7, "hook_01", seq=4, op=1, ref=OTHER, payload=NOTHING)
        assert (await claim(world)).task.run_id == RUN

    async def test_an_end_from_pending_is_told(self, world: World) -> None:
        """A run that is cancelled before it starts has ended too."""
        parent = await begin(world, RUN)
        await world.create_run(new_run(OTHER))
        await parent.commit(watching(1, OTHER))
        await world.cancel_run(OTHER, "")
        assert (await types(world))[-1] == "hook_received"

    async def test_a_turn_that_is_awake_meets_the_end(self, world: World) -> None:
        """What came while a turn held the run is foreign to its next commit, and keeps it awake."""
        child = await begin(world, OTHER)
        parent = await begin(world, RUN, watching(1, OTHER))
        await parent.commit()
        await child.commit(ending())
        committed = await parent.commit(park=True)
        assert [event.type for event in committed.foreign] == ["hook_received"]
        assert not committed.parked

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_run_that_has_ended_is_told_at_once(self, world: World, end: EventType) -> None:
        """The reception follows the creation in the same commit, as an answer to it."""
        await _end(world, await begin(world, OTHER), end)
        parent = await begin(world, RUN)
        committed = await parent.commit(watching(1, OTHER), wait("wait_created", 2, T + 9), park=True)
        assert [(event.type, event.seq) for event in committed.answers] == [("hook_created", 3), ("hook_received", 4)]
        assert committed.answers[1] == Event("hook_received", T, "hook_01", seq=4, op=1, ref=OTHER, payload=NOTHING)
        assert await types(world) == [
            "run_created", "run_started", "hook_created", "hook_received", "wait_created",
        ]  # fmt: skip
        assert not committed.parked

    async def test_a_run_that_does_not_exist_is_told_at_once(self, world: World) -> None:
        """And not a second time when a run of that id has come and ended."""
        parent = await begin(world, RUN)
        committed = await parent.commit(watching(1, OTHER))
        assert [event.type for event in committed.answers] == ["hook_created", "hook_received"]
        await (await begin(world, OTHER)).commit(ending())
        assert (await types(world)).count("hook_received") == 1

    async def test_a_hook_that_was_told_can_be_disposed_of(self, world: World) -> None:
        """It says that it was told until then, and receives nothing more."""
        parent = await begin(world, RUN)
        await parent.commit(watching(1, OTHER))
        assert await hook_statuses(world) == {"hook_01": "told"}
        with pytest.raises(EntityConflictError, match="hook_received refused"):
            await parent.commit(hook("hook_received", 1))
        await parent.commit(hook("hook_disposed", 1))
        assert await hook_statuses(world) == {}

    async def test_a_snapshot_stands_before_the_answer(self, world: World) -> None:
        """A replay delivers the creation first and the reception after it."""
        parent = await begin(world, RUN)
        await parent.commit(watching(1, OTHER), snapshot=snapshot())
        state = await world.load(RUN)
        assert [event.type for event in state.events] == ["hook_created", "hook_received"]

    async def test_the_watched_run_is_told_with_the_hook(self, world: World) -> None:
        """Of a watching hook it is known which run it watches, whether it still waits or has been told."""
        await begin(world, OTHER)
        parent = await begin(world, RUN)
        await parent.commit(watching(1, OTHER), watching(2, "wrun_none"), watching(3, OTHER), hook("hook_created", 4))
        await parent.commit(hook("hook_disposed", 3))
        for entities in (await world.open_entities(RUN), (await world.load(RUN)).held):
            assert [row.watch for row in entities.hooks.values()] == [OTHER, "wrun_none", ""]

    async def test_a_watching_hook_is_not_found_by_its_token(self, world: World) -> None:
        """Nobody outside can look it up or resume it, while it waits and after."""
        await begin(world, OTHER)
        parent = await begin(world, RUN, watching(1, OTHER, "secret"), watching(2, "wrun_none", "secret"))
        before = await everything(world)
        with pytest.raises(HookNotFoundError):
            await world.hook("secret")
        with pytest.raises(HookNotFoundError):
            await world.resume_hook("secret", b"devl1", "r1")
        assert await everything(world) == before
        assert (await parent.commit()).stored

    async def test_tokens_of_watching_hooks_are_nobodys(self, world: World) -> None:
        """They take no token from others, and others' tokens are no conflict for them."""
        await begin(world, OTHER, hook("hook_created", 1, "a"))
        parent = await begin(world, RUN)
        committed = await parent.commit(
            watching(1, OTHER, "a"), watching(2, OTHER, "a"), watching(3, OTHER, "b"), hook("hook_created", 4, "b")
        )
        assert [event.type for event in committed.answers] == ["hook_created"] * 4
        await parent.commit(hook("hook_disposed", 1, "a"))
        assert (await world.hook("a")).run_id == OTHER
        assert (await world.hook("b")).id == "hook_04"

    async def test_all_who_watch_are_told(self, world: World) -> None:
        """Several hooks of several runs, each once, in the order of their creation."""
        child = await begin(world, "wrun_9")
        for run_id in (RUN, OTHER):
            turn = await begin(world, run_id, watching(1, "wrun_9"), watching(2, "wrun_9"))
            await turn.commit()
            await turn.commit(park=True)
        await child.commit(ending())
        for run_id in (RUN, OTHER):
            received = [event.id for event in await world.events(run_id) if event.type == "hook_received"]
            assert received == ["hook_01", "hook_02"]
        assert len(await take(world)) == 2

    async def test_a_hook_that_is_gone_is_not_told(self, world: World) -> None:
        """Disposed of, or its run has ended."""
        child = await begin(world, "wrun_9")
        disposing = await begin(world, RUN, watching(1, "wrun_9"))
        await disposing.commit(hook("hook_disposed", 1))
        ended = await begin(world, OTHER, watching(1, "wrun_9"))
        await ended.commit(ending())
        await child.commit(ending())
        assert "hook_received" not in await types(world, RUN)
        assert "hook_received" not in await types(world, OTHER)

    async def test_a_run_that_watches_itself_hears_nothing(self, world: World) -> None:
        """Its hooks are gone when it has ended."""
        turn = await begin(world, RUN)
        await turn.commit(watching(1, RUN))
        await turn.commit(ending())
        assert await types(world) == ["run_created", "run_started", "hook_created", "run_completed"]

    async def test_a_refused_ending_tells_nobody(self, world: World) -> None:
        """An ending and the news of it are one transaction."""
        child = await begin(world, OTHER)
        parent = await begin(world, RUN)
        await parent.commit(watching(1, OTHER))
        before = await everything(world)
        with pytest.raises(Exception, match="hook_09"):
            await child.commit(hook("hook_disposed", 9), ending())
        assert await everything(world) == before

    async def test_an_end_and_a_creation_at_once(self, world: World) -> None:
        """Whichever of them comes first, the watcher is told exactly once."""
        pairs = [(await begin(world, f"wrun_c{n}"), await begin(world, f"wrun_p{n}"), f"wrun_c{n}") for n in range(10)]
        commits = [
            commit
            for child, parent, name in pairs
            for commit in (child.commit(ending()), parent.commit(watching(1, name)))
        ]
        await asyncio.gather(*commits)
        for n in range(10):
            assert (await types(world, f"wrun_p{n}")).count("hook_received") == 1
