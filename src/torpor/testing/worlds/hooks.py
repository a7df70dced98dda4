"""Hooks: tokens, who has them, and payloads that arrive."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from msgspec.structs import replace

from torpor.errors import HookNotFoundError
from torpor.lifecycle import EventType
from torpor.model import Event, Hook
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    Turn,
    begin,
    ending,
    everything,
    hook,
    hook_statuses,
    types,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, opened
from torpor.world import World

_ENDS: Final[tuple[EventType, ...]] = ("hook_disposed", "run_completed", "run_failed", "run_cancelled")


async def _end(world: World, turn: Turn, event: EventType) -> None:
    """End the run, or only its first hook."""
    if event == "hook_disposed":
        await turn.commit(hook(event, 1))
    elif event == "run_cancelled":
        await world.cancel_run(turn.task.run_id, "")
    else:
        await turn.commit(ending(event))


class HooksSuite(Suite):
    """The ``Hooks`` protocol."""

    async def test_a_hook_is_found_by_its_token(self, world: World) -> None:
        """With its run, its op and its metadata."""
        await begin(world, RUN, hook("hook_created", 3, "tökèn /?", T + 1))
        assert await world.hook("tökèn /?") == Hook(RUN, "hook_03", 3, "tökèn /?", "live", T + 1, b"devl[3]")

    async def test_a_hook_keeps_the_class_of_its_payloads(self, world: World) -> None:
        """And for how long its token is to be reserved."""
        await begin(world, RUN, replace(hook("hook_created", 1), attempt=1, ref="shop:Order", due=50))
        found = await world.hook("token")
        assert (found.takes, found.watch, found.retention_ms) == ("shop:Order", "", 50)
        assert (await world.open_entities(RUN)).hooks == {"hook_01": found}

    async def test_open_hooks_of_a_run_are_listed(self, world: World) -> None:
        """As they stand; one that is disposed of is gone."""
        await begin(world, OTHER, hook("hook_created", 1, "taken"))
        turn = await begin(world, RUN, hook("hook_created", 2, "b"), hook("hook_created", 1, "a"))
        await turn.commit(hook("hook_disposed", 1, "a"), hook("hook_created", 3, "taken"))
        assert await hook_statuses(world) == {"hook_02": "live", "hook_03": "conflict"}

    async def test_a_payload_is_an_event(self, world: World, clock: ManualClock) -> None:
        """It says which hook it is for and which resumption brought it, at the world's time; its run is returned."""
        await begin(world, RUN, hook("hook_created", 3))
        clock.advance(4)
        assert await world.resume_hook("token", b"devl[7]", "rsme_1") == RUN
        last = (await world.events(RUN))[-1]
        assert last == Event("hook_received", T + 4, "hook_03", seq=4, op=3, ref="rsme_1", payload=b"devl[7]")

    async def test_payloads_keep_their_order(self, world: World) -> None:
        """Of one caller that waits for each, over several hooks of a run."""
        await begin(world, RUN, hook("hook_created", 1, "a"), hook("hook_created", 2, "b"))
        for n in range(6):
            await world.resume_hook("ab"[n % 2], b"devl%d" % n, f"r{n}")
        assert [event.payload for event in await world.events(RUN, after=4)] == [b"devl%d" % n for n in range(6)]

    async def test_a_resumption_is_recorded_once(self, world: World) -> None:
        """A repetition changes nothing and succeeds, whatever it carries."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        assert await world.resumed("token", "r1") == ""
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit()
        await turn.commit(park=True)
        before = await everything(world)
        assert await world.resume_hook("token", b"devl2", "r1") == RUN
        assert await world.resumed("token", "r1") == RUN
        assert await everything(world) == before

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_resumption_is_remembered(self, world: World, end: EventType) -> None:
        """When its hook is gone or its run has ended, and when another hook has the token, it is answered as before."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await _end(world, turn, end)
        before = await everything(world)
        for run_id in (None, RUN, OTHER):
            assert await world.resume_hook("token", b"devl1", "r1", run_id=run_id) == RUN
        assert await everything(world) == before
        other = await begin(world, OTHER, hook("hook_created", 1))
        assert await world.resume_hook("token", b"devl1", "r1", run_id=OTHER) == RUN
        await world.resume_hook("token", b"devl2", "r2")
        await other.commit()
        await other.commit(hook("hook_disposed", 1))
        assert [await world.resumed("token", f"r{n}") for n in (1, 2, 3)] == [RUN, OTHER, ""]
        assert [event.ref for event in await world.events(OTHER) if event.type == "hook_received"] == ["r2"]

    async def test_a_resumption_is_remembered_within_a_run(self, world: World) -> None:
        """The next hook of the same token does not receive again what the last one had."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit()
        await turn.commit(hook("hook_disposed", 1), hook("hook_created", 2))
        for resume_id in ("r1", "r2"):
            assert await world.resume_hook("token", b"devl2", resume_id) == RUN
        received = [event for event in await world.events(RUN) if event.type == "hook_received"]
        assert [(event.id, event.ref) for event in received] == [("hook_01", "r1"), ("hook_02", "r2")]

    async def test_concurrent_repetitions_are_recorded_once(self, world: World) -> None:
        """Also when they come at the same moment."""
        await begin(world, RUN, hook("hook_created", 1))
        await asyncio.gather(*(world.resume_hook("token", b"devl", "r1") for _ in range(10)))
        assert (await types(world)).count("hook_received") == 1

    async def test_resume_ids_belong_to_a_token(self, world: World) -> None:
        """The same id at another token is another resumption."""
        await begin(world, RUN, hook("hook_created", 1, "a"), hook("hook_created", 2, "b"))
        await begin(world, OTHER, hook("hook_created", 1, "c"))
        for token in "abc":
            await world.resume_hook(token, b"devl", "r1")
        assert (await types(world, RUN)).count("hook_received") == 2
        assert (await types(world, OTHER)).count("hook_received") == 1

    async def test_an_unknown_token_is_named(self, world: World) -> None:
        """Looking it up and resuming it fail alike."""
        with pytest.raises(HookNotFoundError, match="nobody"):
            await world.hook("nobody")
        with pytest.raises(HookNotFoundError, match="nobody"):
            await world.resume_hook("nobody", b"devl", "r1")

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_hook_that_is_gone_takes_nothing(self, world: World, end: EventType) -> None:
        """After its disposal or its run's end no payload is accepted that was not before."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl", "r1")
        await _end(world, turn, end)
        before = await everything(world)
        with pytest.raises(HookNotFoundError):
            await world.resume_hook("token", b"devl", "r2")
        with pytest.raises(HookNotFoundError):
            await world.hook("token")
        assert await everything(world) == before

    @pytest.mark.parametrize("same_run", [True, False])
    async def test_a_taken_token_is_a_conflict(self, world: World, same_run: bool) -> None:
        """It is recorded with the owner's run, and the owner keeps its hook."""
        owner = await begin(world, RUN, hook("hook_created", 1))
        turn = owner if same_run else await begin(world, OTHER)
        committed = await turn.commit(hook("hook_created", 2))
        [answer] = committed.answers
        assert (answer.type, answer.ref, answer.name, answer.op) == ("hook_conflict", RUN, "token", 2)
        assert (await world.events(turn.task.run_id))[-1] == answer
        assert (await world.hook("token")).id == "hook_01"

    async def test_a_conflict_within_a_commit(self, world: World) -> None:
        """Of two hooks that ask for a token together the first gets it."""
        turn = await begin(world)
        committed = await turn.commit(hook("hook_created", 1), hook("hook_created", 2))
        assert [event.type for event in committed.answers] == ["hook_created", "hook_conflict"]

    async def test_a_conflicting_hook_can_be_disposed_of(self, world: World) -> None:
        """The owner keeps the token."""
        await begin(world, RUN, hook("hook_created", 1))
        turn = await begin(world, OTHER)
        await turn.commit(hook("hook_created", 2), hook("hook_disposed", 2))
        assert (await world.hook("token")).run_id == RUN

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_token_is_free_again(self, world: World, end: EventType) -> None:
        """After disposal and after the run's end another run may have it, and gets only its own payloads."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await _end(world, turn, end)
        await begin(world, OTHER, hook("hook_created", 1))
        await world.resume_hook("token", b"devl2", "r2")
        received = [event for event in await world.events(OTHER) if event.type == "hook_received"]
        assert [event.payload for event in received] == [b"devl2"]

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_reserved_token_is_not_free(self, world: World, clock: ManualClock, end: EventType) -> None:
        """For as long as its hook said, from disposal or the run's end on, others conflict with its run."""
        turn = await begin(world, RUN, replace(hook("hook_created", 1), due=50))
        await _end(world, turn, end)
        with pytest.raises(HookNotFoundError):
            await world.resume_hook("token", b"devl", "r1")
        other = await begin(world, OTHER)
        clock.advance(49)
        [answer] = (await other.commit(hook("hook_created", 1))).answers
        assert (answer.type, answer.ref) == ("hook_conflict", RUN)
        clock.advance(1)
        [answer] = (await other.commit(hook("hook_created", 2))).answers
        assert answer.type == "hook_created"
        assert (await world.hook("token")).run_id == OTHER

    async def test_a_run_may_have_its_reserved_token_again(self, world: World, clock: ManualClock) -> None:
        """In a later commit as in the same; the reservation lasts, from the end of its last hook on."""
        turn = await begin(world, RUN, replace(hook("hook_created", 1), due=50))
        again = [replace(hook("hook_created", n), due=50) for n in (2, 3)]
        await turn.commit(hook("hook_disposed", 1), again[0])
        await turn.commit(hook("hook_disposed", 2))
        clock.advance(40)
        [answer] = (await turn.commit(again[1])).answers
        assert answer.type == "hook_created"
        await turn.commit(hook("hook_disposed", 3, at=T + 40))
        clock.advance(49)
        other = await begin(world, OTHER)
        [answer] = (await other.commit(hook("hook_created", 1))).answers
        assert (answer.type, answer.ref) == ("hook_conflict", RUN)

    async def test_a_conflict_reserves_nothing(self, world: World) -> None:
        """Nor does a hook that is live: both have not had the token, or have it still."""
        owner = await begin(world, RUN, hook("hook_created", 1))
        turn = await begin(world, OTHER)
        await turn.commit(replace(hook("hook_created", 2), due=50))
        await turn.commit(hook("hook_disposed", 2))
        await owner.commit(hook("hook_disposed", 1))
        [answer] = (await owner.commit(hook("hook_created", 3))).answers
        assert answer.type == "hook_created"

    async def test_a_token_can_pass_on_within_a_commit(self, world: World) -> None:
        """Disposing of a hook and making the next one with the same token is one commit's work."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        committed = await turn.commit(hook("hook_disposed", 1), hook("hook_created", 2))
        assert [event.type for event in committed.answers] == ["hook_created"]
        assert (await world.hook("token")).id == "hook_02"

    async def test_a_refused_commit_frees_its_tokens(self, world: World) -> None:
        """A token that was asked for in vain is nobody's."""
        turn = await begin(world)
        with pytest.raises(Exception, match="hook_09"):
            await turn.commit(hook("hook_created", 1), hook("hook_disposed", 9))
        with pytest.raises(HookNotFoundError):
            await world.hook("token")
        committed = await turn.commit(hook("hook_created", 1))
        assert [event.type for event in committed.answers] == ["hook_created"]

    async def test_a_token_has_one_owner_at_a_time(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Of many runs that ask for it at once, through two worlds on the same store, one gets it."""
        async with opened(make_world(clock)) as other:
            turns = [await begin((world, other)[n % 2], f"wrun_{n}") for n in range(10)]
            commits = await asyncio.gather(*(turn.commit(hook("hook_created", 1)) for turn in turns))
        kinds = sorted(answer.type for committed in commits for answer in committed.answers)
        assert kinds == ["hook_conflict"] * 9 + ["hook_created"]
        owner = (await world.hook("token")).run_id
        assert {answer.ref for committed in commits for answer in committed.answers} == {"", owner}
