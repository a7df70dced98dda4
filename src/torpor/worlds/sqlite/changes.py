"""
Storing what a rule decided: events, and the rows that differ.

The run comes first, compared with what it was thought to be, so that nothing is written when somebody was quicker.
Only columns that change are set: an index whose columns are left alone costs nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from itertools import compress
from operator import is_not
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from torpor.errors import DamagedError
from torpor.model import Run, Step, Wait
from torpor.worlds.draft import Changes, fence
from torpor.worlds.requests import StaleError
from torpor.worlds.sqlite import tenants
from torpor.worlds.sqlite.codes import HOOK_CODE, RUN_CODE, RUNTIME_CODE, SLOT_CODE, STEP_CODE
from torpor.worlds.sqlite.rows import ADD_EVENT, SHIFT, event_row
from torpor.worlds.sqlite.store import Store


def _insert(table: str, columns: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_CHANGING: Final[dict[str, Callable[[Any], Any] | None]] = {
    # what of a run changes, and how it is stored, None for as it is; the build, which is a label, changes hardly ever
    "status": RUN_CODE.__getitem__,
    "started_at": None,
    "ended_at": None,
    "error_code": None,
    "head": None,
    "ops": None,
    "logs": None,
    "epoch": None,
    "base": None,
    "latest_at": None,
    "ready_at": None,
    "queued_at": None,
    "worker": lambda worker: worker or None,
    "redeliveries": None,
    "snoozes": None,
    "snoozed": None,
    "paused": None,
    "deadline": None,
    "attributes": lambda attributes: msgspec.json.encode(attributes, order="sorted").decode(),
    "sent": None,
    "received": None,
    "receiving": lambda names: msgspec.json.encode(names).decode(),
    "cleanup_ms": None,
    "cleanup_steps": None,
    "cancel_by": None,
    "cancel_reason": None,
    "slot": SLOT_CODE.__getitem__,
}
_FIELDS: Final = [(name, _CHANGING.get(name), name in _CHANGING) for name in Run.__struct_fields__]
_WHERE_AS_BEFORE: Final = "WHERE k = ? AND epoch = ? AND head = ? AND worker IS ? AND base = ? AND id = ?"


_RUN_FACTS: Final = [
    *("id", "workflow", "program", "build", "runtime", "seed", "key_id", "public", "parent", "root", "created_at"),
    *("route", "starts_at", "detached", "lane", "key"),
]
_ADD_RUN: Final = f"{_insert('runs', [*_RUN_FACTS, *_CHANGING])} RETURNING k"

_STEP_FACTS: Final = ["run", "id", "op", "seq", "created_at"]
_STEP_CHANGING: Final = [
    *("kind", "status", "attempt", "failures", "started_at", "task", "route", "ready_at", "queued_at", "worker"),
    *("epoch", "redeliveries", "snoozed", "lane", "key", "weight", "once", "start_by", "close_by", "gives_up_at"),
]
_ADD_STEP: Final = _insert("steps", [*_STEP_FACTS, *_STEP_CHANGING])
# Input and progress of a step that is there stay as they are: what a turn was given may be the log's, or of before.
_PUT_STEP: Final = (
    f"{_ADD_STEP} ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _STEP_CHANGING)}"
)
_SAVE_STEP: Final = (
    f"UPDATE steps SET {', '.join(f'{name} = ?' for name in _STEP_CHANGING)} WHERE run = ? AND id = ? AND epoch = ?"
)
_HOOK_COLUMNS: Final = [
    *("run", "id", "op", "token", "status", "created_at", "metadata", "watch", "retention_ms", "takes"),
]
_PUT_HOOK: Final = f"{_insert('hooks', _HOOK_COLUMNS)} ON CONFLICT DO UPDATE SET status = excluded.status"
_PUT_SNAPSHOT: Final = (
    f"{_insert('snapshots', ['run', 'cursor', 'ops', 'logs', 'image', 'at', 'data'])} "
    "ON CONFLICT DO UPDATE SET cursor = excluded.cursor, ops = excluded.ops, logs = excluded.logs, "
    "image = excluded.image, at = excluded.at, data = excluded.data"
)
_ADD_LINE: Final = f"{_insert('lines', ['run', 'n', 'at', 'level', 'text'])} ON CONFLICT DO NOTHING"


_ASIDE_MS: Final = 300_000
# Nothing of a damaged row is known, its epoch neither; but another one than it has fences everybody off.
_ASIDE: Final = "worker = NULL, epoch = (epoch & 0xffffffff) + 1, ready_at = :until, queued_at = :until, snoozed = :why"


def set_run_aside(store: Store, k: int, why: str, now: int) -> bool:
    """
    Let nobody have the turn of a run whose row is damaged for some minutes, so that others are not held up by it.

    Returns whether the row could be written. One that holds what its table refuses cannot; it is passed by.
    """
    try:
        store.db.execute(f"UPDATE runs SET {_ASIDE} WHERE k = :k", {"until": now + _ASIDE_MS, "why": why, "k": k})
    except sqlite3.IntegrityError:
        store.unwritable.add((k, ""))
        return False
    return True


def set_step_aside(store: Store, k: int, step_id: str, why: str, now: int) -> bool:
    """Do the same with a step task that is damaged, or whose run is."""
    try:
        about = {"until": now + _ASIDE_MS, "why": why, "k": k, "id": step_id}
        store.db.execute(f"UPDATE steps SET {_ASIDE} WHERE run = :k AND id = :id", about)
    except sqlite3.IntegrityError:
        store.unwritable.add((k, step_id))
        return False
    return True


def apply(store: Store, changes: Changes) -> None:
    """
    Store changes.

    Raises:
        StaleError: the run is not the expected one any more; nothing was stored.
    """
    run, db = changes.run, store.db
    k = _add_run(store, run) if changes.before is None else save_run(store, changes.before, run)
    if changes.events:
        db.executemany(ADD_EVENT, [event_row(k, event) for event in changes.events])
    if changes.steps:
        _put_steps(store, k, changes)
    if changes.waits:
        _put_waits(store, k, changes.waits)
    if changes.hooks:
        _put_hooks(store, k, changes)
    if changes.reserved:
        _reserve(store, k, changes.reserved, run.latest_at)
    if changes.resumed is not None:
        db.execute("INSERT INTO resumes (run, token, resume_id) VALUES (?, ?, ?)", (k, *changes.resumed))
    if changes.lines:
        rows = [(k, line.n, line.at, line.level, line.text) for line in changes.lines]
        db.executemany(_ADD_LINE, rows)
    if changes.snapshot is not None:
        new = changes.snapshot
        image = store.labels.number(new.image)
        db.execute(_PUT_SNAPSHOT, (k, new.cursor, new.ops, new.logs, image, new.at, new.data))
    was = changes.before.attributes if changes.before is not None else {}
    if was is not run.attributes:
        _put_attributes(store, k, was, run.attributes)
    if changes.drop_snapshot:
        db.execute("DELETE FROM snapshots WHERE run = ?", (k,))
    if changes.drop_log:
        _drop_log(store, k, changes)
    tenants.count(store, k, changes)


def save_run(store: Store, before: Run, run: Run) -> int:
    """
    Store what of a run changed, and return its rowid.

    Raises:
        DamagedError: its row cannot be written any more; nothing was stored.
        StaleError: it is not as it was *before* any more; nothing was stored.
    """
    k = store.rowid_as_known(run.id)  # and if that is another run's by now, the id tells
    old, new = astuple(before), astuple(run)
    columns: list[str] = []
    values: list[Any] = []
    # Of some forty fields a few are other objects, and only these have to be compared.
    for (name, stored, changes), was, value in compress(zip(_FIELDS, old, new, strict=True), map(is_not, old, new)):
        if changes and was != value:
            columns.append(name)
            values.append(value if stored is None else stored(value))
    if not columns:  # as when a claim is taken over from nobody; it has to be compared all the same
        columns, values = ["head"], [run.head]
    if before.build != run.build:
        columns.append("build")
        values.append(store.labels.number(run.build))
    epoch, head, worker, base = fence(before)
    values += (k, epoch, head, worker or None, base, run.id)
    if k is None or not _updated(store, _save_run(*columns), tuple(values), f"row {k} of table runs", run.id):
        raise StaleError
    return k


@lru_cache(maxsize=512)
def _save_run(*columns: str) -> str:
    return f"UPDATE runs SET {', '.join([f'{name} = ?' for name in columns])} {_WHERE_AS_BEFORE}"


def save_step(store: Store, run: Run, step: Step, expected: int) -> None:
    """
    Store the row of a step task, if its epoch is still *expected*.

    Raises:
        DamagedError: it cannot be written any more; nothing was stored.
        StaleError: it is not; nothing was stored.
    """
    which = (store.rowid_as_known(run.id), step.id, expected)
    values = (*_step_changing(store, run, step), *which)
    if not _updated(store, _SAVE_STEP, values, f"step {step.id}", run.id):
        raise StaleError


def save_progress(store: Store, step: Step) -> None:
    """Store what a step's attempt has told of its progress."""
    about = (step.progress, store.rowid_as_known(step.run_id), step.id)
    _updated(store, "UPDATE steps SET progress = ? WHERE run = ? AND id = ?", about, f"step {step.id}", step.run_id)


def _updated(store: Store, query: str, values: tuple[Any, ...], row: str, run_id: str) -> bool:
    """Return whether an update has found its row."""
    try:
        return bool(store.db.execute(query, values).rowcount)
    except sqlite3.IntegrityError as error:  # what stands in its other columns
        raise DamagedError(row, f"its table refuses it ({error})", run_id=run_id) from error


def _add_run(store: Store, run: Run) -> int:
    if store.rowid(run.id) is not None:
        raise StaleError
    fields = [(getattr(run, name), stored) for name, stored in _CHANGING.items()]
    changing = [value if stored is None else stored(value) for value, stored in fields]
    row = store.db.execute(
        _ADD_RUN,
        (
            run.id,
            store.workflows.number(run.app, run.workflow),
            store.labels.number(run.program),
            store.labels.number(run.build),
            RUNTIME_CODE[run.runtime],
            run.seed,
            run.key_id,
            run.public,
            run.parent,
            run.root,
            run.created_at,
            store.routes.number(run.app, run.queue, run.guest, run.key_id, str(run.priority)),
            run.starts_at,
            run.detached,
            store.lanes.number(run.app, run.queue) if run.slot else None,
            run.key,
            *changing,
        ),
    ).fetchone()
    k = int(row[0])
    store.learn(run.id, k)
    return k


def _step_changing(store: Store, run: Run, step: Step) -> tuple[Any, ...]:
    place = step.place
    queue = run.queue if place is None else place.queue
    return (
        store.kinds.number(step.name, step.signature),
        STEP_CODE[step.status],
        step.attempt,
        step.failures,
        step.started_at,
        step.task,
        store.routes.number(run.app, queue, "", run.key_id, str(run.priority)) if step.task else None,
        step.ready_at,
        step.queued_at,
        step.worker or None,
        step.epoch,
        step.redeliveries,
        step.snoozed,
        *((None, "", 0) if place is None else (store.lanes.number(run.app, queue), place.key, place.weight)),
        step.once,
        step.start_by,
        step.close_by,
        step.gives_up_at,
    )


def _put_steps(store: Store, k: int, changes: Changes) -> None:
    for step_id, step in changes.steps.items():
        if step is None:
            store.db.execute("DELETE FROM steps WHERE run = ? AND id = ?", (k, step_id))
        else:
            facts = (k, step_id, step.op, step.seq, step.created_at)
            store.db.execute(_PUT_STEP, (*facts, *_step_changing(store, changes.run, step)))


def _put_waits(store: Store, k: int, waits: dict[str, Wait | None]) -> None:
    for wait_id, wait in waits.items():
        if wait is None:
            store.db.execute("DELETE FROM waits WHERE run = ? AND id = ?", (k, wait_id))
        else:
            store.db.execute(
                "INSERT INTO waits (run, id, op, due) VALUES (?, ?, ?, ?)", (k, wait_id, wait.op, wait.due)
            )


def _put_hooks(store: Store, k: int, changes: Changes) -> None:
    hooks = changes.hooks
    # A token may go from one hook to another of the same commit, so that those that let go come first.
    for hook_id in [hook_id for hook_id, hook in hooks.items() if hook is None]:
        store.db.execute("DELETE FROM hooks WHERE run = ? AND id = ?", (k, hook_id))
    for hook in hooks.values():
        if hook is not None:
            about = (hook.op, hook.token, HOOK_CODE[hook.status], hook.created_at, hook.metadata)
            store.db.execute(_PUT_HOOK, (k, hook.id, *about, hook.watch, hook.retention_ms, hook.takes))


def _reserve(store: Store, k: int, tokens: dict[str, int], now: int) -> None:
    store.db.execute("DELETE FROM reservations WHERE until <= ?", (now,))
    rows = [(token, k, until) for token, until in tokens.items()]
    store.db.executemany("INSERT OR REPLACE INTO reservations (token, run, until) VALUES (?, ?, ?)", rows)


def _put_attributes(store: Store, k: int, before: dict[str, str], after: dict[str, str]) -> None:
    gone, new = before.items() - after.items(), after.items() - before.items()
    store.db.executemany(
        "DELETE FROM attributes WHERE name = ? AND value = ? AND run = ?", [(*each, k) for each in gone]
    )
    store.db.executemany("INSERT INTO attributes (name, value, run) VALUES (?, ?, ?)", [(*each, k) for each in new])


def _drop_log(store: Store, k: int, changes: Changes) -> None:
    low = k << SHIFT
    store.db.execute("DELETE FROM events WHERE k > ? AND k <= ?", (low, low + changes.run.base))
    inputs = [(step.input, k, step.id) for step in changes.steps.values() if step is not None]
    store.db.executemany("UPDATE steps SET input = ? WHERE run = ? AND id = ?", inputs)
