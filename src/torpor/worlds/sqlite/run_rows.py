"""Rows of the table of runs → runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from torpor.model import Run
from torpor.worlds.sqlite.codes import RUN_OF, RUNTIME_OF, SLOT_OF
from torpor.worlds.sqlite.rows import Row, Texts
from torpor.worlds.sqlite.sound import (
    SEQ_MAX,
    NonsenseError,
    Shape,
    check_numbers,
    check_owner,
    check_redeliveries,
    coded,
    reading,
)

RUNS: Final = (
    "SELECT k, id, workflow, program, route, runtime, status, seed, created_at, started_at, ended_at, error_code, "
    "head, ops, logs, epoch, parent, root, public, build, base, latest_at, ready_at, queued_at, worker, redeliveries, "
    "snoozes, snoozed, sent, received, receiving, cleanup_ms, cleanup_steps, cancel_by, cancel_reason, detached, "
    "key_id, starts_at, deadline, attributes, paused, key, slot FROM runs"
)
_RUN: Final = Shape(
    k=int,
    id=str,
    workflow=int,
    program=int,
    route=int,
    runtime=int,
    status=int,
    seed=bytes,
    created_at=int,
    started_at=int,
    ended_at=int,
    error_code=str,
    head=int,
    ops=int,
    logs=int,
    epoch=int,
    parent=str,
    root=str,
    public=bytes,
    build=int,
    base=int,
    latest_at=int,
    ready_at=int | None,
    queued_at=int,
    worker=str | None,
    redeliveries=int,
    snoozes=int,
    snoozed=str,
    sent=int,
    received=int,
    receiving=str,
    cleanup_ms=int,
    cleanup_steps=int,
    cancel_by=int,
    cancel_reason=str,
    detached=int,
    key_id=str,
    starts_at=int,
    deadline=int,
    attributes=str,
    paused=int,
    key=str,
    slot=int,
)
_ATTRIBUTES: Final = msgspec.json.Decoder(dict[str, str])
_NO_ATTRIBUTES: Final = "{}"

_NO_TEXTS: Final = "[]"


def run_of(row: Row, workflows: Texts, routes: Texts, label: Callable[[int], str]) -> Run:
    """
    Return the value of a row of :data:`RUNS`.

    Raises:
        DamagedError: it makes no sense.
    """
    with reading(f"row {row[0]} of table runs", named(row[0], row[1])):
        return _run_of(row, workflows, routes, label)


def trace_of(row: Row, workflow: Callable[[int], tuple[str, ...] | None], damage: str) -> Run:
    """Return what can be told of a row that is damaged; *workflow* returns app and name, None for nothing."""
    k, run_id, its_workflow, *_ = row
    app, name = workflow(its_workflow) or ("", "")
    return Run(named(k, run_id), name, "", "", "snapshot", "pending", b"", created_at=0, app=app, damage=damage)


def named(k: int, run_id: object) -> str:
    """Return the id of the run with rowid *k*, a number if it has none."""
    return run_id if isinstance(run_id, str) else f"number {k}"


def _run_of(row: Row, workflows: Texts, routes: Texts, label: Callable[[int], str]) -> Run:
    (
        _,
        run_id,
        workflow,
        program,
        route,
        runtime,
        status,
        seed,
        created_at,
        started_at,
        ended_at,
        error_code,
        head,
        ops,
        logs,
        epoch,
        parent,
        root,
        public,
        build,
        base,
        latest_at,
        ready_at,
        queued_at,
        worker,
        redeliveries,
        snoozes,
        snoozed,
        sent,
        received,
        receiving,
        cleanup_ms,
        cleanup_steps,
        cancel_by,
        cancel_reason,
        detached,
        its_key_id,
        starts_at,
        deadline,
        attributes,
        paused,
        key,
        slot,
    ) = row
    _RUN.check(row)
    app, queue, guest, key_id, priority = routes(route)
    if key_id != its_key_id:
        raise NonsenseError(f"its key is {its_key_id!r}, and its route is for {key_id!r}")
    check_numbers((base, head), "base head", SEQ_MAX)
    if base > head:
        raise NonsenseError(f"its log begins after event {base} and ends with event {head}")
    check_redeliveries(redeliveries)
    check_owner(worker)
    times = (created_at, started_at, ended_at, latest_at, ready_at or 0, queued_at, starts_at, deadline, cancel_by)
    counts = (ops, logs, epoch, redeliveries, snoozes, sent, received, cleanup_ms, cleanup_steps)
    check_numbers(times, "created_at started_at ended_at latest_at ready_at queued_at starts_at deadline cancel_by")
    check_numbers(counts, "ops logs epoch redeliveries snoozes sent received cleanup_ms cleanup_steps")
    return Run(
        run_id,
        workflows(workflow)[1],
        label(program),
        guest,
        coded(RUNTIME_OF, runtime, "runtime"),
        coded(RUN_OF, status, "status"),
        seed,
        created_at,
        started_at,
        ended_at,
        error_code,
        head,
        ops,
        logs,
        epoch,
        parent,
        root,
        key_id,
        public,
        app,
        queue,
        label(build),
        base,
        latest_at,
        ready_at,
        queued_at,
        worker or "",
        redeliveries,
        snoozes,
        snoozed,
        _priority_of(priority),
        starts_at,
        deadline,
        _attributes_of(attributes),
        bool(paused),
        sent,
        received,
        _texts(receiving),
        cleanup_ms,
        cleanup_steps,
        cancel_by,
        cancel_reason,
        bool(detached),
        key,
        coded(SLOT_OF, slot, "slot"),
    )


def _texts(stored: str) -> tuple[str, ...]:
    return () if stored == _NO_TEXTS else msgspec.json.decode(stored, type=tuple[str, ...])


def _priority_of(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise NonsenseError(f"its route is of priority {text!r}") from None


def _attributes_of(text: str) -> dict[str, str]:
    if text == _NO_ATTRIBUTES:
        return {}
    try:
        return _ATTRIBUTES.decode(text)
    except msgspec.DecodeError as error:
        raise NonsenseError(f"its attributes are no JSON object of texts: {error}") from error
