"""Messages to runs: kept in the log, counted, recorded once, and refused by runs that have ended."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from msgspec.structs import replace

from torpor import limits
from torpor.errors import LimitExceededError, RunEndedError, RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import Event
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
    new_run,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, opened
from torpor.world import World

_ENDS: Final[tuple[EventType, ...]] = ("run_completed", "run_failed", "run_cancelled")


async def _end(world: World, turn: Turn, event: EventType) -> None:
    if event == "run_cancelled":
        await world.cancel_run(RUN, "")
    else:
        await turn.commit(ending(event))


async def _counts(world: World) -> tuple[int, int, tuple[str, ...]]:
    """Return what a run tells of its mailboxes."""
    run = await world.get_run(RUN)
    return run.sent, run.received, run.receiving


class MailboxSuite(Suite):
    """The ``Mailbox`` protocol."""

    async def test_a_message_is_an_event(self, world: World, clock: ManualClock) -> None:
        """It says which mailbox it is for and under which id it was sent, at the world's time; the run is returned."""
        await begin(world, RUN)
        clock.advance(4)
        run = await world.send(RUN, "näme /?", b"devl[7]", "m1")
        assert run == await world.get_run(RUN)
        last = (await world.events(RUN))[-1]
        assert last == Event("message_sent", T + 4, seq=3, name="näme /?", ref="m1", payload=b"devl[7]")

    async def test_messages_keep_their_order(self, world: World) -> None:
        """Of one sender that waits for each, over several mailboxes."""
        await begin(world, RUN)
        for n in range(6):
            await world.send(RUN, "ab"[n % 2], b"devl%d" % n, f"m{n}")
        sent = [(event.name, event.payload) for event in await world.events(RUN, after=2)]
        assert sent == [("ab"[n % 2], b"devl%d" % n) for n in range(6)]

    async def test_a_message_wakes(self, world: World) -> None:
        """A parked run, whose waits that are due come first, is ready at once."""
        turn = await begin(world, RUN)
        await turn.commit(wait("wait_created", 1, due=T), wait("wait_created", 2, due=T + 99), park=True)
        await world.send(RUN, "work", b"devl", "m1")
        assert (await types(world))[-2:] == ["wait_completed", "message_sent"]
        assert (await claim(world)).task.run_id == RUN

    async def test_a_run_that_has_not_begun_keeps_messages(self, world: World) -> None:
        """They stand in its log before its beginning."""
        await world.create_run(new_run(RUN))
        await world.send(RUN, "work", b"devl", "m1")
        turn = await claim(world)
        await turn.commit(Event("run_started", T))
        assert await types(world) == ["run_created", "message_sent", "run_started"]

    async def test_a_paused_run_keeps_messages(self, world: World) -> None:
        """Nobody gets its turn before it goes on."""
        await (await begin(world, RUN)).commit(park=True)
        await world.pause_run(RUN)
        await world.send(RUN, "work", b"devl", "m1")
        assert await take(world) == []
        await world.unpause_run(RUN)
        assert (await types(world))[-3:] == ["run_paused", "message_sent", "run_unpaused"]
        assert (await claim(world)).task.run_id == RUN

    async def test_a_run_that_begins_later_keeps_messages(self, world: World, clock: ManualClock) -> None:
        """They do not make it begin before its time."""
        await world.create_run(replace(new_run(RUN), starts_at=T + 9))
        await world.send(RUN, "work", b"devl", "m1")
        assert await take(world) == []
        clock.advance(9)
        assert (await claim(world)).task.run_id == RUN

    async def test_a_turn_that_is_awake_meets_the_message(self, world: World) -> None:
        """It is foreign to the turn's next commit, which does not park and keeps the count."""
        turn = await begin(world, RUN)
        await world.send(RUN, "work", b"devl", "m1")
        committed = await turn.commit(park=True)
        assert [event.type for event in committed.foreign] == ["message_sent"]
        assert not committed.parked
        assert committed.held is not None
        assert committed.held.run.sent == 1

    async def test_inputs_do_not_overtake_a_message(self, world: World) -> None:
        """A commit with inputs that came after it is refused."""
        turn = await begin(world, RUN, wait("wait_created", 1, due=T))
        await world.send(RUN, "work", b"devl", "m1")
        committed = await turn.commit(inputs=[wait("wait_completed", 1)])
        assert not committed.stored

    async def test_what_is_received_is_told_by_commits(self, world: World) -> None:
        """As totals; in which mailboxes a run waits is nothing any more once it has ended."""
        turn = await begin(world, RUN)
        for n in range(3):
            await world.send(RUN, "work", b"devl", f"m{n}")
        assert await _counts(world) == (3, 0, ())
        await turn.commit(received=2, receiving=("a", "wörk"))
        assert await _counts(world) == (3, 2, ("a", "wörk"))
        await turn.commit(ending(), received=2, receiving=("a",))
        assert await _counts(world) == (3, 2, ())

    async def test_a_message_is_recorded_once(self, world: World) -> None:
        """A repetition changes nothing and succeeds, whatever it carries and whichever mailbox it names."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.send(RUN, "work", b"devl1", "m1")
        await turn.commit(hook("hook_disposed", 1))
        before = await everything(world)
        assert (await world.send(RUN, "other", b"devl2", "m1")).sent == 1
        assert await everything(world) == before

    async def test_concurrent_repetitions_are_recorded_once(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Also when they come at the same moment, through two worlds on the same store."""
        await begin(world, RUN)
        async with opened(make_world(clock)) as other:
            await asyncio.gather(*((world, other)[n % 2].send(RUN, "work", b"devl", "m1") for n in range(10)))
        assert await _counts(world) == (1, 0, ())

    async def test_ids_belong_to_a_run(self, world: World) -> None:
        """The same id at another run, or of a payload for a hook, is another one's."""
        await begin(world, RUN, hook("hook_created", 1))
        await begin(world, OTHER)
        await world.resume_hook("token", b"devl", "m1")
        for run_id in (RUN, OTHER):
            assert (await world.send(run_id, "work", b"devl", "m1")).sent == 1

    @pytest.mark.parametrize("end", _ENDS)
    async def test_a_run_that_has_ended_takes_nothing(self, world: World, end: EventType) -> None:
        """The sender is told how it ended; a repetition of what it got before succeeds."""
        turn = await begin(world, RUN)
        await world.send(RUN, "work", b"devl", "m1")
        await _end(world, turn, end)
        before = await everything(world)
        with pytest.raises(RunEndedError, match=end.removeprefix("run_")):
            await world.send(RUN, "work", b"devl", "m2")
        assert (await world.send(RUN, "work", b"devl", "m1")).sent == 1
        assert await everything(world) == before
        assert await take(world) == []

    async def test_an_unknown_run_is_named(self, world: World) -> None:
        """Nothing is stored for it."""
        with pytest.raises(RunNotFoundError, match="nobody"):
            await world.send("nobody", "work", b"devl", "m1")

    async def test_messages_that_wait_are_bounded(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """One more than the limit is refused, until the code has received some."""
        monkeypatch.setattr(limits, "MESSAGES_WAITING_MAX", 2)
        turn = await begin(world, RUN)
        for n in range(2):
            await world.send(RUN, "work", b"devl", f"m{n}")
        with pytest.raises(LimitExceededError, match="2 messages that its code has not received"):
            await world.send(RUN, "work", b"devl", "m2")
        await turn.commit(received=1)
        assert (await world.send(RUN, "work", b"devl", "m2")).sent == 3
