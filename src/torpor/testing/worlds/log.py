"""Logs: what is in them, in which order, and what the lifecycle table keeps out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

import pytest

from torpor.errors import EntityConflictError
from torpor.lifecycle import TRANSITIONS, EventType, entity_of
from torpor.model import Event, LogEntry, StepInfo
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    begin,
    claim,
    ending,
    everything,
    hook,
    new_run,
    open_steps,
    step,
    steps,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

_PATHS: Final[Mapping[tuple[EventType, ...], tuple[str, str | None]]] = {
    # events, and which entity they leave in which state; what has ended has no row any more
    ("step_created",): ("step", "pending"),
    ("step_created", "step_started"): ("step", "running"),
    ("step_created", "step_started", "step_retrying"): ("step", "retrying"),
    ("step_created", "step_started", "step_completed"): ("step", None),
    ("step_created", "step_failed"): ("step", None),
    ("wait_created",): ("wait", "waiting"),
    ("wait_created", "wait_completed"): ("wait", None),
    ("wait_created", "wait_disposed"): ("wait", None),
    ("hook_created",): ("hook", "live"),
    ("hook_conflict",): ("hook", "conflict"),
    ("hook_created", "hook_disposed"): ("hook", None),
}
_MAKE: Final[Mapping[str, Callable[[EventType, int], Event]]] = {"step": step, "wait": wait, "hook": hook}


def _begins_anew(path: tuple[EventType, ...], event: EventType) -> bool:
    return _PATHS.get(path, ("", ""))[1] is None and None in TRANSITIONS[event][0]


def _cases() -> Iterator[tuple[tuple[EventType, ...], EventType, bool]]:
    """Return paths, an event that follows, and whether it is allowed."""
    for event, (before, _) in TRANSITIONS.items():
        for path, (entity, state) in {(): (entity_of(event), None), **_PATHS}.items():
            allowed = state in before and (state is not None or path == ())
            # Giving up a wait that is over already is no event at all; see ParkSuite.
            if entity == entity_of(event) and entity in _MAKE and (allowed or event != "wait_disposed"):
                yield path, event, allowed


_CASES: Final = list(_cases())

# What has ended is not known any more to later commits, so that nothing is said of an id that begins anew.
_LATER: Final = [(path, event, allowed) for path, event, allowed in _CASES if allowed or not _begins_anew(path, event)]


def _name(value: object) -> str:
    return ">".join(cast("tuple[str, ...]", value)) or "none" if isinstance(value, tuple) else str(value)


class LogSuite(Suite):
    """The ``Log`` protocol, and the lifecycle behind every write."""

    async def test_seqs_are_dense(self, world: World) -> None:
        """A log counts 1, 2, 3 … over all its writers, and the run knows its head."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit(step("step_created", 2))
        await world.cancel_run(RUN, "")
        assert [event.seq for event in await world.events(RUN)] == [1, 2, 3, 4, 5, 6]
        assert (await world.get_run(RUN)).head == 6

    async def test_logs_are_counted_apart(self, world: World) -> None:
        """Each run's log begins at 1 and holds its own events only."""
        await begin(world, RUN)
        await begin(world, OTHER, step("step_created", 1))
        assert await types(world, RUN) == ["run_created", "run_started"]
        assert await types(world, OTHER) == ["run_created", "run_started", "step_created"]

    async def test_a_log_is_read_in_pieces(self, world: World) -> None:
        """``after`` leaves out what was read, ``limit`` bounds what comes."""
        await begin(world, RUN, *(step("step_created", n) for n in range(1, 6)))
        log = await world.events(RUN)
        assert await world.events(RUN, after=3) == log[3:]
        assert await world.events(RUN, after=3, limit=2) == log[3:5]
        assert await world.events(RUN, limit=0) == []
        assert await world.events(RUN, after=99) == []

    async def test_every_field_comes_back(self, world: World) -> None:
        """An event is stored as it was given, but for its place."""
        event = Event(
            "step_created", T, "step_é", op=2**40, digest=bytes(range(8)), name="näme\0x", attempt=3, due=2**48,
            ref="r", payload=bytes(range(256)),
        )  # fmt: skip
        await begin(world, RUN, event)
        [stored] = await world.events(RUN, after=2)
        assert stored == Event(
            "step_created", T, "step_é", seq=3, op=2**40, digest=bytes(range(8)), name="näme\0x", attempt=3, due=2**48,
            ref="r", payload=bytes(range(256)),
        )  # fmt: skip

    async def test_no_payload_is_not_an_empty_one(self, world: World) -> None:
        """``None`` and ``b""`` stay apart."""
        one = Event("step_created", T, "step_1", op=1, payload=None)
        two = Event("step_created", T, "step_2", op=2, payload=b"")
        await begin(world, RUN, one, two)
        assert [event.payload for event in await world.events(RUN, after=2)] == [None, b""]

    async def test_time_does_not_go_backwards(self, world: World, clock: ManualClock) -> None:
        """An event that a slower clock dates earlier is stored with its predecessor's time."""
        turn = await begin(world)
        await turn.commit(step("step_created", 1, T + 50), step("step_created", 2, T + 20))
        clock.advance(30)
        await world.cancel_run(RUN, "")
        assert [event.at for event in await world.events(RUN, after=2)] == [T + 50] * 3
        assert (await world.get_run(RUN)).ended_at == T + 50

    async def test_a_consumed_event_keeps_its_time(self, world: World) -> None:
        """A VM has seen it, and a replay must show it the same; what follows is not before the latest time so far."""
        turn = await begin(world, RUN, step("step_created", 1, T + 50), step("step_started", 1, T + 50))
        await turn.commit(step("step_created", 2, T + 20), inputs=[step("step_completed", 1, T + 10)])
        assert [event.at for event in await world.events(RUN, after=4)] == [T + 10, T + 50]
        assert [row.ended_at for row in await steps(world)] == [T + 10, 0]

    @pytest.mark.parametrize(("path", "event", "allowed"), _LATER, ids=_name)
    async def test_the_lifecycle_table_decides(
        self, world: World, path: tuple[EventType, ...], event: EventType, allowed: bool
    ) -> None:
        """An event that the table has for an entity's state is stored, any other changes nothing."""
        make = _MAKE[entity_of(event)]
        turn = await begin(world)
        for kind in path:
            await turn.commit(make(kind, 1))
        before = await everything(world)
        if allowed:
            await turn.commit(make(event, 1))
            assert (await types(world))[2:] == [*path, event]
        else:
            with pytest.raises(EntityConflictError, match=f"{event} refused"):
                await turn.commit(make(event, 1))
            assert await everything(world) == before

    @pytest.mark.parametrize(("path", "event", "allowed"), _CASES, ids=_name)
    async def test_the_lifecycle_table_decides_within_a_commit(
        self, world: World, path: tuple[EventType, ...], event: EventType, allowed: bool
    ) -> None:
        """It is the same when the events before it are of the same commit."""
        make = _MAKE[entity_of(event)]
        turn = await begin(world)
        before = await everything(world)
        events = [make(kind, 1) for kind in (*path, event)]
        if allowed:
            await turn.commit(*events)
            assert (await types(world))[2:] == [*path, event]
        else:
            with pytest.raises(EntityConflictError, match=f"{event} refused"):
                await turn.commit(*events)
            assert await everything(world) == before

    @pytest.mark.parametrize("event", ["run_created", "run_started"])
    async def test_a_run_starts_once(self, world: World, event: EventType) -> None:
        """The run's own lifecycle is kept too."""
        turn = await begin(world)
        with pytest.raises(EntityConflictError, match=f"{event} refused: run {RUN} is running"):
            await turn.commit(Event(event, T))

    async def test_a_run_that_has_not_started_cannot_complete(self, world: World) -> None:
        """It can fail, though."""
        await world.create_run(new_run())
        turn = await claim(world)
        with pytest.raises(EntityConflictError, match="run_completed refused"):
            await turn.commit(ending())
        await turn.commit(ending("run_failed"))
        assert (await world.get_run(RUN)).status == "failed"

    @pytest.mark.parametrize("late", [step("step_created", 1), wait("wait_created", 1, T), hook("hook_created", 1)])
    async def test_nothing_follows_an_end(self, world: World, late: Event) -> None:
        """An event after the run's last one in the same commit is refused with all of it."""
        turn = await begin(world)
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="final"):
            await turn.commit(ending(), late)
        assert await everything(world) == before

    async def test_a_refused_commit_leaves_no_trace(self, world: World) -> None:
        """What stood before the refused event, rows, hooks and lines included, is not stored either."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 5))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="step_09"):
            await turn.commit(
                step("step_started", 1),
                wait("wait_completed", 2),
                step("step_created", 3),
                hook("hook_created", 4),
                step("step_completed", 9),
                lines=[LogEntry(1, T, "info", "hello")],
                ops=9,
                park=True,
            )
        assert await everything(world) == before
        await turn.commit(step("step_created", 3), hook("hook_created", 4))

    async def test_entities_of_runs_are_apart(self, world: World) -> None:
        """The same correlation id in two runs names two steps."""
        await begin(world, RUN, step("step_created", 1))
        await begin(world, OTHER, step("step_created", 1), step("step_started", 1))
        assert [row.status for row in await open_steps(world, RUN)] == ["pending"]
        assert [row.status for row in await open_steps(world, OTHER)] == ["running"]

    async def test_steps_stand_as_their_events_left_them(self, world: World) -> None:
        """Each row tells name, op, state, newest attempt and times; the order is that of the ops."""
        turn = await begin(world, RUN, step("step_created", 2), step("step_created", 1))
        await turn.commit(step("step_started", 1, T + 1))
        await turn.commit(step("step_retrying", 1, T + 2), step("step_started", 1, T + 3, attempt=2))
        [one, two] = await open_steps(world)
        assert (one.id, one.op, one.seq, one.name, one.status) == ("step_01", 1, 4, "pay", "running")
        assert (one.attempt, one.failures, one.created_at, one.started_at) == (2, 1, T, T + 3)
        assert (two.id, two.status, two.attempt, two.started_at, two.task) == ("step_02", "pending", 0, 0, False)

    async def test_a_step_may_begin_with_its_creation(self, world: World) -> None:
        """An attempt in ``step_created`` stands for a ``step_started`` at once."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        [row] = await open_steps(world)
        assert (row.status, row.attempt, row.started_at) == ("running", 1, T)
        await turn.commit(inputs=[step("step_completed", 1)])
        assert (await types(world))[2:] == ["step_created", "step_completed"]

    async def test_an_ended_step_is_read_from_the_log(self, world: World) -> None:
        """Its row is gone; the log has all that is to be known of it."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(step("step_started", 1, T + 1))
        await turn.commit(inputs=[step("step_completed", 1, T + 4)])
        assert await open_steps(world) == []
        assert await steps(world) == [StepInfo(RUN, "step_01", 1, "pay", "completed", 1, T, T + 1, T + 4)]

    async def test_log_lines_come_back_in_order(self, world: World) -> None:
        """The engine's notes, counted downwards from -1, come first; ``after`` leaves out what was read."""
        turn = await begin(world)
        one, two, note = (
            LogEntry(1, T, "info", "one"),
            LogEntry(2, T + 1, "warn", "zwö\n"),
            LogEntry(-1, T, "error", ""),
        )
        await turn.commit(lines=[one, two])
        await turn.commit(lines=[note])
        assert await world.log_entries(RUN) == [note, one, two]
        assert await world.log_entries(RUN, after=0) == [one, two]
        assert await world.log_entries(RUN, after=1) == [two]
        assert await world.log_entries(RUN, after=2) == []

    async def test_a_log_line_is_stored_once(self, world: World) -> None:
        """A number that is there keeps its line."""
        turn = await begin(world)
        await turn.commit(lines=[LogEntry(1, T, "info", "first")])
        await turn.commit(lines=[LogEntry(1, T, "info", "again"), LogEntry(2, T, "info", "second")])
        assert [line.text for line in await world.log_entries(RUN)] == ["first", "second"]
