"""
Claiming: what is ready, and who gets it.

A claim looks along its routes: at what is ready at once (``ready_at = 0``) in the order of ``queued_at``, and at what
is due in that of ``ready_at``, which is its ``queued_at`` too; timers of the future are never passed. Step tasks lie by
route and name, and the look goes from name to name, so that tasks of names that a worker lacks cost it nothing,
however many there are. It is one query, which tells of the worker, too: who polls an empty queue asks no more.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from torpor.clock import Clock
from torpor.model import ClaimRequest, Claims, Run, Task
from torpor.worlds import rules
from torpor.worlds.sqlite.changes import save_run, save_step
from torpor.worlds.sqlite.rows import SHIFT, STEP_COLUMNS, step_of
from torpor.worlds.sqlite.store import Store

Found = list[list[Any]]


def _routes(apps: str, guests: str) -> str:
    wanted = {"app": apps, "queue": ":queues", "guest": guests, "key_id": ":key_ids"}
    return " AND ".join(f"{column} IN (SELECT value FROM json_each({values}))" for column, values in wanted.items())


def _look(table: str, place: str, which: str, most: str) -> str:
    """Return columns that tell of one place, as JSON: what is ready at once, what is due, and when the next is."""
    ready = (
        f"(SELECT json_group_array(json_array(queued_at, {which})) FROM (SELECT queued_at, {which} FROM {table} "
        f"WHERE {place} AND {{}} ORDER BY ready_at, queued_at, {which} LIMIT {most}))"
    )
    at_once, due = ready.format("ready_at = 0"), ready.format("ready_at > 0 AND ready_at <= :now")
    return f"{at_once}, {due}, (SELECT min(ready_at) FROM {table} WHERE {place} AND ready_at > :now)"


_TURN: Final = _look("runs", "route = routes.k AND worker IS NULL", "k", ":turns")
_STEP: Final = _look("steps", "route = waiting.place AND name = waiting.kind", "run, seq, id", ":steps")
_LOOK: Final = (
    "WITH RECURSIVE waiting (place, kind) AS ("
    "SELECT k, (SELECT min(name) FROM steps WHERE route = routes.k AND ready_at IS NOT NULL) "
    f"FROM routes WHERE {_routes(':apps_of_steps', ':no_guest')} "
    "UNION ALL SELECT place, "
    "(SELECT min(name) FROM steps WHERE route = waiting.place AND name > waiting.kind AND ready_at IS NOT NULL) "
    "FROM waiting WHERE kind IS NOT NULL) "
    "SELECT 'worker', NULL, NULL, NULL FROM workers WHERE id = :worker "
    f"UNION ALL SELECT 'turn', {_TURN} FROM routes WHERE {_routes(':apps_of_turns', ':guests')} "
    f"UNION ALL SELECT 'step', {_STEP} FROM waiting JOIN labels ON labels.k = waiting.kind "
    "WHERE labels.text IN (SELECT value FROM json_each(:names))"
)
_TASK: Final = (
    f"SELECT {STEP_COLUMNS}, ifnull(ifnull(s.input, e.payload), x'') FROM steps s "
    f"LEFT JOIN events e ON e.k = s.run << {SHIFT} | s.seq AND s.input IS NULL WHERE s.run = ? AND s.id = ?"
)


def claim(store: Store, request: ClaimRequest, clock: Clock) -> tuple[Claims, None]:
    """Answer :meth:`torpor.world.Queue.claim`."""
    now = clock.now()
    known = False  # until the worker's row is found
    turns: Found = []
    steps: Found = []
    next_at: list[int] = []
    for kind, *told in store.db.execute(_LOOK, _asked(request, now)).fetchall():
        if kind == "worker":
            known = True
            continue
        at_once, due, future = told
        found = turns if kind == "turn" else steps
        found += msgspec.json.decode(at_once) + msgspec.json.decode(due)
        next_at += [] if future is None else [future]
    if not known:
        return Claims(known=False), None
    turns, steps = sorted(turns)[: request.turns_max], sorted(steps)[: request.steps_max]
    tasks = _claim_turns(store, turns, request.worker_id) + _claim_steps(store, steps, request.worker_id, now)
    more = 0 < request.turns_max == len(turns) or 0 < request.steps_max == len(steps)
    return Claims(tasks, None if more else min(next_at, default=None)), None


def _asked(request: ClaimRequest, now: int) -> dict[str, object]:
    lists = {
        "apps_of_turns": request.apps if request.turns_max else (),
        "apps_of_steps": request.apps if request.steps_max else (),
        "queues": request.queues,
        "guests": request.guests,
        "no_guest": ("",),
        "key_ids": request.key_ids,
        "names": request.steps,
    }
    asked: dict[str, object] = {name: msgspec.json.encode(texts).decode() for name, texts in lists.items()}
    return asked | {
        "worker": request.worker_id,
        "now": now,
        "turns": request.turns_max,
        "steps": request.steps_max,
    }


def _claim_turns(store: Store, found: Found, worker_id: str) -> list[Task]:
    tasks = []
    for _, k in found:
        [run] = store.runs("WHERE k = ?", k)
        claimed = rules.claim(run, worker_id)
        save_run(store, run, claimed)
        tasks.append(rules.turn_task(claimed))
    return tasks


def _claim_steps(store: Store, found: Found, worker_id: str, now: int) -> list[Task]:
    runs: dict[int, Run] = {}
    tasks = []
    for _, k, _, step_id in found:
        if k not in runs:
            [runs[k]] = store.runs("WHERE k = ?", k)
        run = runs[k]
        step = step_of(run.id, store.db.execute(_TASK, (k, step_id)).fetchone(), store.label)
        claimed = rules.claim_step(step, worker_id, now)
        save_step(store, run, claimed, step.epoch)
        tasks.append(rules.step_task(run, claimed))
    return tasks
