"""
Rows ↔ values: the tables' columns, and what stands in them.

Columns are selected in the order of the values' fields, so that most of a row is handed on as it is. A row that makes
no sense is a :class:`~torpor.errors.DamagedError`, which names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from torpor.model import Event, Hook, Step, Wait
from torpor.model.flow import Place
from torpor.worlds.sqlite.codes import EVENT_CODE, EVENT_OF, HOOK_OF, STEP_OF
from torpor.worlds.sqlite.sound import (
    NUMBER_MAX,
    NonsenseError,
    Shape,
    check_attempts,
    check_numbers,
    check_owner,
    coded,
    reading,
)

Row = tuple[Any, ...]
Texts = Callable[[int], tuple[str, ...]]
"""What numbers of one kind stand for."""

SHIFT: Final = 32
"""A run's event number n is stored under the key ``run << SHIFT | n``."""

MASK: Final = (1 << SHIFT) - 1

EVENT_COLUMNS: Final = f"type, at, id, k & {MASK}, op, digest, name, attempt, due, ref, payload"
ADD_EVENT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

STEP_COLUMNS: Final = (
    "s.id, s.op, s.seq, s.kind, s.status, s.created_at, s.attempt, s.failures, s.started_at, s.task, "
    "s.ready_at, s.queued_at, s.worker, s.epoch, s.redeliveries, s.snoozed, s.lane, s.key, s.weight, s.once, "
    "s.start_by, s.close_by, s.progress"
)
WAIT_COLUMNS: Final = "id, op, due"
HOOK_COLUMNS: Final = "h.id, h.op, h.token, h.status, h.created_at, h.metadata, h.watch, h.retention_ms, h.takes"

_EVENT: Final = Shape(
    type=int,
    at=int,
    id=str,
    seq=int,
    op=int,
    digest=bytes,
    name=str,
    attempt=int,
    due=int,
    ref=str,
    payload=bytes | None,
)
_STEP: Final = Shape(
    id=str,
    op=int,
    seq=int,
    kind=int,
    status=int,
    created_at=int,
    attempt=int,
    failures=int,
    started_at=int,
    task=int,
    ready_at=int | None,
    queued_at=int,
    worker=str | None,
    epoch=int,
    redeliveries=int,
    snoozed=str,
    lane=int | None,
    key=str,
    weight=int,
    once=int,
    start_by=int,
    close_by=int,
    progress=bytes | None,
    input=bytes | None,
)
_WAIT: Final = Shape(id=str, op=int, due=int)
_HOOK: Final = Shape(
    id=str, op=int, token=str, status=int, created_at=int, metadata=bytes | None, watch=str, retention_ms=int, takes=str
)


def events_of(name_at: Callable[[int], str], k: int, rows: Iterable[Row]) -> list[Event]:
    """Return the values of rows of :data:`EVENT_COLUMNS`, of the run with rowid *k*, whose id *name_at* returns."""
    found = []
    fitting = _EVENT.fitting
    for row in rows:
        code, at, about, seq, op, digest, name, attempt, due, ref, payload = row
        kind = EVENT_OF.get(code) if tuple(map(type, row)) in fitting else None
        if kind is None or not (0 <= at <= NUMBER_MAX and 0 <= op <= NUMBER_MAX and 0 <= due <= NUMBER_MAX):
            with reading(f"event {seq}", name_at(k)):
                _EVENT.check(row)
                coded(EVENT_OF, code, "type")
                check_numbers((at, op, due), "at op due")
        assert kind is not None, "else it was told"
        # Each field by name: three times as quick as a star, and long logs are read here.
        found.append(Event(kind, at, about, seq, op, digest, name, attempt, due, ref, payload))
    return found


def event_row(k: int, event: Event) -> Row:
    """Return the row of :data:`ADD_EVENT` for an event of the run with rowid *k*."""
    return (
        k << SHIFT | event.seq,
        EVENT_CODE[event.type],
        event.at,
        event.id,
        event.op,
        event.digest,
        event.name,
        event.attempt,
        event.due,
        event.ref,
        event.payload,
    )


def steps_of(run_id: str, rows: Iterable[Row], kind: Texts, lane: Texts) -> dict[str, Step]:
    """
    Return the values, by id, of rows of :data:`STEP_COLUMNS` and the step's input.

    Args:
        run_id: whose steps.
        rows: in the order in which they are to stand.
        kind: returns the name and the signature of a kind.
        lane: returns the application and the queue of a lane.
    """
    return {row[0]: step_of(run_id, row, kind, lane) for row in rows}


def step_of(run_id: str, row: Row, kind: Texts, lane: Texts) -> Step:
    """Return the value of a row, see :func:`steps_of`."""
    with reading(f"step {row[0]}", run_id):
        return _step_of(run_id, row, kind, lane)


def _step_of(run_id: str, row: Row, kind: Texts, lane: Texts) -> Step:
    _STEP.check(row)
    (
        about,
        op,
        seq,
        its_kind,
        status,
        created_at,
        attempt,
        failures,
        started_at,
        task,
        ready_at,
        queued_at,
        worker,
        epoch,
        redeliveries,
        snoozed,
        its_lane,
        key,
        weight,
        once,
        start_by,
        close_by,
        progress,
        given,
    ) = row
    name, signature = kind(its_kind)
    numbers = (op, seq, created_at, attempt, failures, started_at, queued_at, epoch, redeliveries, ready_at or 0)
    if min(numbers) < 0 or max(numbers) > NUMBER_MAX:
        check_numbers(numbers, "op seq created_at attempt failures started_at queued_at epoch redeliveries ready_at")
    check_numbers((start_by, close_by), "start_by close_by")
    check_attempts(attempt, failures, redeliveries)
    check_owner(worker)
    return Step(
        run_id,
        about,
        op,
        seq,
        name,
        coded(STEP_OF, status, "status"),
        created_at,
        attempt,
        failures,
        started_at,
        given,
        signature,
        bool(task),
        ready_at,
        queued_at,
        worker or "",
        epoch,
        redeliveries,
        snoozed,
        None if its_lane is None else Place(lane(its_lane)[1], key, weight),
        bool(once),
        start_by,
        close_by,
        progress,
    )


def waits_of(run_id: str, rows: Iterable[Row]) -> dict[str, Wait]:
    """Return the values, by id, of rows of :data:`WAIT_COLUMNS`."""
    found = {}
    for row in rows:
        about, op, due = row
        with reading(f"wait {about}", run_id):
            _WAIT.check(row)
            check_numbers((op, due), "op due")
        found[about] = Wait(about, op, due)
    return found


def hook_of(row: Row, run_id: str, key_id: str, public: bytes) -> Hook:
    """Return the value of a row of :data:`HOOK_COLUMNS`; the rest is its run's."""
    about, op, token, status, created_at, metadata, watch, retention_ms, takes = row
    with reading(f"hook {about}", run_id):
        _HOOK.check(row)
        check_numbers((op, created_at, retention_ms), "op created_at retention_ms")
        stands = coded(HOOK_OF, status, "status")
        if stands == "disposed":
            raise NonsenseError("it is disposed of, and should be gone")
    return Hook(run_id, about, op, token, stands, created_at, metadata, watch, retention_ms, takes, key_id, public)
