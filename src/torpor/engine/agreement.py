"""
Whether what a world has of a run agrees: its log, its open rows, its snapshot, and the seed that made their ids.

What disagrees was damaged, or edited by hand: a VM is a pure function, and a commit changes all of it or nothing. Such
a run is not continued, since nobody knows what would come of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from torpor import ids
from torpor.errors import DamagedError, SnapshotError
from torpor.lifecycle import EventType, entity_of
from torpor.model import Entities, Event, Hook, Run, RunState, Snapshot, Step, Wait, standing

_OPENING: Final[frozenset[EventType]] = frozenset(("step_created", "wait_created", "hook_created", "hook_conflict"))
_CLOSING: Final[frozenset[EventType]] = frozenset(
    ("step_completed", "step_failed", "step_cancelled", "wait_completed", "wait_disposed", "hook_disposed")
)

Row = Step | Wait | Hook


def check_state(state: RunState, seed: bytes) -> None:
    """
    Check what a turn has loaded of a run that has not ended.

    Args:
        state: as the world returned it.
        seed: the run's.

    Raises:
        SnapshotError: the snapshot does not agree with the rest.
        DamagedError: something else does not.
    """
    run, events, snapshot = state.run, state.events, state.snapshot
    cursor = snapshot.cursor if snapshot else 0
    if snapshot is None and run.base:
        problem = f"it is not there, and the log begins after event {run.base}, so that nothing makes up for it"
        raise DamagedError("the snapshot", problem, run_id=run.id)
    if snapshot is not None:
        _check_ends(run, snapshot)
    _check_queue(state.held)
    if [event.seq for event in events] != list(range(cursor + 1, run.head + 1)):
        problem = f"the {run.head - cursor} events after event {cursor} are not all there"
        raise DamagedError("the log", problem, run_id=run.id)
    holding = standing(events)
    _check_ops(run, sorted(event.op for event in holding if event.digest and event.op), snapshot)
    _check_ids(run.id, _entities(events, state.held), seed)
    check_rows(state.held, events, whole=snapshot is None and not run.base)


def check_rows(held: Entities, events: Iterable[Event], *, whole: bool) -> None:
    """
    Check that the open rows of a run that has not ended are what its log says.

    Args:
        held: the run and its rows.
        events: its log, up to its end.
        whole: the log begins with the run.

    Raises:
        DamagedError: they are not.
    """
    run_id = held.run.id
    events = standing(list(events))
    rows: dict[str, Row] = {**held.steps, **held.waits, **held.hooks}
    created: dict[str, Event] = {}
    closed: dict[str, Event] = {}
    for event in events:
        if event.type in _OPENING:
            created[event.id] = event
        elif event.type in _CLOSING:
            closed[event.id] = event
    for entity_id, event in created.items():
        if entity_id not in closed:
            _check_row(run_id, rows.get(entity_id), event)
    for entity_id, row in rows.items():
        if entity_id in closed:
            seq = closed[entity_id].seq
            raise DamagedError(_named(row), f"it is open, and event {seq} of the log closed it", run_id=run_id)
        if whole and entity_id not in created:
            raise DamagedError(_named(row), "it is open, and the log does not tell of it", run_id=run_id)


def _check_row(run_id: str, row: Row | None, created: Event) -> None:
    """Check that the row of something open is what the event that created it says."""
    if row is None:
        what = f"{entity_of(created.type)} {created.id}"
        raise DamagedError(what, f"it is not there; event {created.seq} of the log created it", run_id=run_id)
    match row:
        case Step():
            agrees = (row.op, row.seq, row.name) == (created.op, created.seq, created.name)
        case Wait():
            agrees = (row.op, row.due) == (created.op, created.due)
        case Hook():
            its = (row.op, row.token, row.watch, row.takes, row.retention_ms)
            agrees = its == (created.op, created.name, created.watches, created.takes, created.due)
    if not agrees:
        raise DamagedError(_named(row), f"it is not what event {created.seq} of the log created", run_id=run_id)


def _check_ends(run: Run, snapshot: Snapshot) -> None:
    ends = (("event", snapshot.cursor, run.head), ("op", snapshot.ops, run.ops), ("line", snapshot.logs, run.logs))
    for what, at, last in ends:
        if at > last:
            raise SnapshotError(f"the snapshot is of {what} {at}, but the run ends with {what} {last}")
    if snapshot.cursor <= 0:
        raise SnapshotError("the snapshot is of event 0, before the run began")


def _check_queue(held: Entities) -> None:
    """Check that somebody will see to what is open: what nobody has is in the queue."""
    run = held.run
    if run.paused:
        return
    if held.waits and not run.worker and run.ready_at is None:
        raise DamagedError("the run", "it has timers, and is not to be woken for them", run_id=run.id)
    for step in held.steps.values():
        if step.task and not step.worker and step.ready_at is None and step.status != "blocked":
            raise DamagedError(_named(step), "nobody has its task, and it waits for nobody", run_id=run.id)


def _check_ops(run: Run, recorded: list[int], snapshot: Snapshot | None) -> None:
    """
    Check that the log records every op that the run has emitted since its snapshot, once.

    The log may begin before what the snapshot has emitted last: its cursor is that of inputs.
    """
    first = recorded[0] if recorded else run.ops + 1
    if recorded == list(range(first, run.ops + 1)) and first <= (snapshot.ops if snapshot else 0) + 1:
        return
    since = f"since its snapshot, which was taken after op {snapshot.ops}," if snapshot else "since it began"
    told = f"{recorded[0]} to {recorded[-1]}" if recorded else "none"
    problem = f"the run has emitted {run.ops} ops, and of those {since} its log records {told}"
    if snapshot is not None:
        raise SnapshotError(f"the snapshot does not fit: {problem}")
    raise DamagedError("the log", problem, run_id=run.id)


def _check_ids(run_id: str, found: Iterable[tuple[str, str, int]], seed: bytes) -> None:
    for entity_id, kind, op in found:
        if not ids.is_correlation(entity_id, kind, seed, op):
            problem = f"its id is not that of {kind} {op} of a run with this seed; one of the four is another"
            raise DamagedError(entity_id, problem, run_id=run_id)


def _entities(events: Iterable[Event], held: Entities) -> set[tuple[str, str, int]]:
    """Return the ids of all that is told of, each with what it is and the op that made it."""
    # What disposes of a hook is an op of its own.
    told = (event for event in events if event.id and event.type != "hook_disposed")
    found: set[tuple[str, str, int]] = {(event.id, entity_of(event.type), event.op) for event in told}
    rows: tuple[Row, ...] = (*held.steps.values(), *held.waits.values(), *held.hooks.values())
    return found | {(row.id, type(row).__name__.lower(), row.op) for row in rows}


def _named(row: Row) -> str:
    return f"{type(row).__name__.lower()} {row.id}"
