"""
Claiming: what is ready, and who gets it.

A claim looks first, without a transaction: along its routes, each of which is of one priority, at what is ready at once
(``ready_at = 0``) in the order of ``queued_at``, and at what is due in that of ``ready_at``, which is its ``queued_at``
too; timers of the future are never passed. Step tasks lie by route and name, and the look goes from name to name, so
that tasks whose names a worker lacks cost it nothing. Who polls an empty queue asks this and nothing else, and writes
nothing.

What was found is then locked, all but what others have locked, and compared with what it was: so each is handed out
once, and nobody waits for another claim. The worker's row is locked first, so that it is not released meanwhile.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.model import NOW, ClaimRequest, Claims, Notice, Task
from torpor.worlds import claims
from torpor.worlds.draft import Changes
from torpor.worlds.postgres import workers
from torpor.worlds.postgres.alike import together
from torpor.worlds.postgres.changes import prepared, save_step
from torpor.worlds.postgres.connection import LostError, UndoneError
from torpor.worlds.postgres.deadlines import NEXT_DEADLINE, OVERDUE, expire
from torpor.worlds.postgres.flow import Found, Lanes
from torpor.worlds.postgres.rows import EVENT_FIELDS, INPUT, RUNS, STEP_COLUMNS, events_of, run_of, step_of
from torpor.worlds.postgres.statements import Row, Statement
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.times import ASK, SERVER_NOW
from torpor.worlds.server_times import Times

_NOW: Final = f"coalesce(%(now)s::bigint, {SERVER_NOW})"
_OF_KEY: Final = "r.key_id = ANY(%(key_ids)s) AND (%(queues)s::text[] IS NULL OR r.queue = ANY(%(queues)s))"
_OF_TURNS: Final = f"r.app = ANY(%(apps)s) AND r.guest = ANY(%(guests)s) AND r.guest <> '' AND {_OF_KEY}"
_OF_STEPS: Final = f"r.app = ANY(%(apps)s) AND r.guest = '' AND {_OF_KEY}"


def _ready(table: str, where: str, which: str, most: str) -> str:
    """Return a query for what is ready in one place: at once, and due."""
    at_once, due = (
        f"(SELECT {which} FROM torpor.{table} WHERE {where} AND {when} "
        f"ORDER BY ready_at, queued_at, n{{}} LIMIT {most})"
        for when in ("ready_at = 0", f"ready_at > 0 AND ready_at <= {_NOW}")
    )
    return f"{at_once} UNION ALL {due}"


_FREE: Final = "route = r.k AND worker = '' AND slot <> 'waits' AND ready_at IS NOT NULL"
_TURNS: Final = (
    "SELECT r.priority, t.queued_at, t.n, t.run FROM torpor.routes r CROSS JOIN LATERAL ("
    f"{_ready('turns', _FREE, 'queued_at, n, run', '%(turns)s').replace('{}', '')}) t WHERE {_OF_TURNS} "
    "ORDER BY r.priority DESC, t.queued_at, t.n LIMIT %(turns)s"
)
_TURNS_LATER: Final = (
    "SELECT min(t.at) FROM torpor.routes r CROSS JOIN LATERAL "
    f"(SELECT min(ready_at) AS at FROM torpor.turns WHERE {_FREE} AND ready_at > {_NOW}) t WHERE {_OF_TURNS}"
)
WAITING: Final = (
    # From name to name of the step tasks in some routes, instead of through all that wait.
    "WITH RECURSIVE places (route, name) AS (SELECT k, (SELECT min(name) FROM torpor.steps "
    "WHERE route = r.k AND ready_at IS NOT NULL AND lane IS NULL) FROM torpor.routes r WHERE {} "
    "UNION ALL SELECT p.route, (SELECT min(name) FROM torpor.steps "
    "WHERE route = p.route AND name > p.name AND ready_at IS NOT NULL AND lane IS NULL) "
    "FROM places p WHERE p.name IS NOT NULL) "
)
_MINE: Final = "p.name = ANY(%(names)s)"
_PLACE: Final = "route = p.route AND name = p.name AND lane IS NULL AND id <> ALL(%(left)s) AND ready_at IS NOT NULL"
_STEPS: Final = (
    f"{WAITING.format(_OF_STEPS)} SELECT r.priority, s.queued_at, s.n, s.seq, s.run, s.id FROM places p "
    "JOIN torpor.routes r ON r.k = p.route CROSS JOIN LATERAL ("
    f"{_ready('steps', _PLACE, 'queued_at, n, seq, run, id', '%(steps)s').replace('{}', ', seq')}) s WHERE {_MINE} "
    "ORDER BY r.priority DESC, s.queued_at, s.n, s.seq LIMIT %(steps)s"
)
_STEPS_LATER: Final = (
    f"{WAITING.format(_OF_STEPS)} SELECT min(s.at) FROM places p CROSS JOIN LATERAL "
    f"(SELECT min(ready_at) AS at FROM torpor.steps WHERE {_PLACE} AND ready_at > {_NOW}) s WHERE {_MINE}"
)
_LANES: Final = (
    "SELECT r.k, r.app, r.queue, r.guest, r.priority FROM torpor.routes r "
    "WHERE r.queue <> '' AND r.app = ANY(%(apps)s) "
    f"AND (r.guest = '' OR r.guest = ANY(%(guests)s)) AND {_OF_KEY} AND (EXISTS (SELECT 1 FROM torpor.turns "
    "WHERE route = r.k AND slot = 'waits' AND worker = '' AND ready_at IS NOT NULL) OR EXISTS (SELECT 1 "
    "FROM torpor.steps WHERE route = r.k AND lane IS NOT NULL AND ready_at IS NOT NULL))"
)
_WORKER: Final = "SELECT 1 FROM torpor.workers WHERE id = %s"
_LOCK_WORKER: Final = f"{_WORKER} FOR SHARE"
_HAS_TURN: Final = "SELECT 1 FROM torpor.runs WHERE id = %s AND epoch = %s AND worker = %s"
_HAS_STEP: Final = "SELECT 1 FROM torpor.steps WHERE run = %s AND id = %s AND epoch = %s AND worker = %s"
_OWNERS: Final = f"{RUNS} WHERE r.id = ANY(%s)"
_CREATED: Final = (
    f"SELECT e.run, {', '.join(f'e.{field}' for field in EVENT_FIELDS)} FROM torpor.runs r "
    "JOIN torpor.events e ON e.run = r.id AND e.seq = 1 WHERE r.id = ANY(%s) AND r.head = 1 AND r.status = 'pending'"
)
_LOCK_RUNS: Final = (
    f"{RUNS.replace(' FROM torpor.runs r', '')} FROM unnest(%s::text[]) WITH ORDINALITY c (id, place) "
    "JOIN torpor.runs r ON r.id = c.id WHERE r.worker = '' AND r.ready_at <= %s ORDER BY c.place LIMIT %s "
    "FOR UPDATE OF r SKIP LOCKED"
)
_COLUMNS: Final = STEP_COLUMNS.replace("s.input", "coalesce(s.input, e.payload)")
_LOCK_STEPS: Final = (
    f"SELECT {_COLUMNS}, e.id, e.name FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY c (run, id, place) "
    "JOIN torpor.steps s ON s.run = c.run AND s.id = c.id "
    "LEFT JOIN torpor.events e ON e.run = s.run AND e.seq = s.seq AND s.input IS NULL "
    "WHERE s.ready_at <= %s ORDER BY c.place LIMIT %s FOR UPDATE OF s SKIP LOCKED"
)
_SPARE: Final = 8
"""How many more are looked for than are wanted: some may be others' by the time when they are locked."""

_LOOKS_MAX: Final = 5
_TRIES_MAX: Final = 5


def claim(store: Store, request: ClaimRequest, times: Times) -> tuple[Claims, Notice | None]:
    """Answer :meth:`torpor.world.Queue.claim`: look further each time when others have taken what was found."""
    tasks: list[Task] = []
    told = None
    left = request
    for looked in range(_LOOKS_MAX):
        try:
            found, notice = _claim_some(store, left, times, _SPARE << 2 * looked)
        except LostError as lost:
            return _given_up(store, request.worker_id, times, lost)
        except (psycopg.Error, UndoneError):
            if not tasks:
                raise
            store.connection.reset()
            return Claims(tasks, NOW), told  # they are claimed already, and would be lost
        tasks += found.tasks
        told = notice or told
        steps = sum(task.kind == "step" for task in tasks)
        turns = len(tasks) - steps
        left = replace(request, turns_max=request.turns_max - turns, steps_max=request.steps_max - steps)
        if found.next_at != NOW or not (left.turns_max or left.steps_max):
            break
    tasks.sort(key=lambda task: task.kind == "step")
    is_full = 0 < request.turns_max == turns or 0 < request.steps_max == steps
    return Claims(tasks, None if is_full else found.next_at, found.known), told


def _given_up(store: Store, worker_id: str, times: Times, lost: LostError) -> tuple[Claims, Notice | None]:
    """
    Take everything away from a worker that may have claims that it knows nothing of; it begins anew under another id.

    Raises:
        LostError: the server stays away.
    """
    for _ in range(_TRIES_MAX):
        store.connection.reset()
        try:
            _, notice = workers.release(store, (worker_id,), times, expired_only=False)
        except (psycopg.Error, UndoneError, LostError):
            continue
        return Claims(known=False), notice
    raise lost


def _claim_some(store: Store, request: ClaimRequest, times: Times, spare: int) -> tuple[Claims, Notice | None]:
    look = _Look(store, request, times, spare)
    notice = None
    if look.is_known and look.is_overdue:
        notice = expire(store, times)
        look = _Look(store, request, times, spare)
    if not look.is_known:
        return Claims(known=False), notice
    if not (look.turns or look.steps or look.lanes):
        return Claims([], min(look.later, default=None)), notice
    with store.transaction():
        if look.lanes and not store.connection.rows(_LOCK_WORKER, request.worker_id):
            return Claims(known=False), notice
        lanes = Lanes(store, request, look.lanes, look.now)
        found_turns, found_steps = sorted(look.turns + lanes.turns()), sorted(look.steps + lanes.steps())
        locked = _Locked(store, request, look.now, found_turns, found_steps)
        if not locked.is_known:
            return Claims(known=False), notice
        turns = _claim_turns(store, locked, lanes, request)
        steps = _claim_steps(store, locked, lanes, request, look.now)
        lanes.save()
    wanted = min(request.turns_max, len(found_turns)) + min(request.steps_max, len(found_steps))
    if len(turns) + len(steps) < wanted:  # others have some of them, and there may be more
        return Claims(turns + steps, NOW), notice
    return Claims(turns + steps, min(look.later + lanes.later, default=None)), notice


class _Look:
    """
    What a look along the routes of a request tells; nothing is locked.

    Attributes:
        now: the time.
        is_known: the worker has a row.
        is_overdue: a deadline has passed.
        turns, steps: what is ready.
        lanes: routes in whose queues with limits something waits.
        later: when there may be more.
    """

    def __init__(self, store: Store, request: ClaimRequest, times: Times, spare: int) -> None:
        asked = {
            "apps": [*request.apps],
            "guests": [*request.guests],
            "key_ids": [*request.key_ids],
            "queues": None if request.queues is None else [*request.queues],
            "names": [*request.steps],
            "left": [*request.left],
            "turns": request.turns_max and request.turns_max + spare,
            "steps": request.steps_max and request.steps_max + spare,
            "now": times.asked,
        }
        queries = [_TURNS, _TURNS_LATER] if request.turns_max else []
        queries += [_STEPS, _STEPS_LATER] if request.steps_max else []
        [told], worker, [(overdue, deadline)], lanes, *found = store.connection.ask(
            (ASK, ()),
            (_WORKER, (request.worker_id,)),
            (f"SELECT {OVERDUE.format(now=_NOW)}, {NEXT_DEADLINE.format(now=_NOW)}", asked),
            (_LANES, asked),
            *((query, asked) for query in queries),
        )
        self.now, _ = times.told(*told)
        self.is_known = bool(worker)
        self.is_overdue = bool(overdue)
        self.lanes = lanes if request.turns_max or request.steps_max else []
        answers = iter(found)
        self.turns, turns_at = _sorted(answers) if request.turns_max else ([], None)
        self.steps, steps_at = _sorted(answers, 2) if request.steps_max else ([], None)
        self.later = [at for at in (turns_at, steps_at, deadline) if at is not None]


def _sorted(answers: Any, ids: int = 1) -> tuple[Found, int | None]:
    rows, [(later,)] = next(answers), next(answers)
    found: Found = [((-row[0], *(row[1:-ids]), *([0] if ids == 1 else [])), tuple(row[-ids:])) for row in rows]
    return found, later


class _Locked:
    """
    What was found and nobody else has locked, in one round trip.

    Attributes:
        is_known: the worker has a row, which stays until the end of the transaction.
        runs: rows of runs whose turns are to be claimed.
        created: the event that created each of them that nobody has touched yet.
        steps: rows of steps, each with the id and the name in the event that created it.
        owners: runs of these, by id.
    """

    def __init__(self, store: Store, request: ClaimRequest, now: int, turns: Found, steps: Found) -> None:
        runs = [run_id for _, (run_id,) in turns]
        ids = [run_id for _, (run_id, _) in steps], [step_id for _, (_, step_id) in steps]
        asked: list[Statement] = [(_LOCK_WORKER, (request.worker_id,))]
        if runs:
            asked += [(_LOCK_RUNS, (runs, now, request.turns_max)), (_CREATED, (runs,))]
        if steps:
            asked += [(_LOCK_STEPS, (*ids, now, request.steps_max)), (_OWNERS, (ids[0],))]
        worker, *found = store.connection.ask(*asked)
        answers = iter(found)
        self.is_known = bool(worker)
        self.runs = next(answers) if runs else []
        self.created = {row[0]: events_of([row[1:]]) for row in next(answers)} if runs else {}
        self.steps = next(answers) if steps else []
        self.owners = {run.id: run for run in map(run_of, next(answers))} if steps else {}


def _claim_turns(store: Store, locked: _Locked, lanes: Lanes, request: ClaimRequest) -> list[Task]:
    statements: list[Statement] = []
    tasks = []
    for row in locked.runs:
        run = run_of(row)
        claimed = claims.claim(run, request.worker_id, lanes.asleep_of(run))
        statements += prepared(store, Changes(claimed, run))
        lanes.claimed(run)
        tasks.append(claims.turn_task(claimed, locked.created.get(run.id, [])))
        _prove(store, _HAS_TURN, run.id, claimed.epoch, request.worker_id)
    store.connection.put_off(together(statements))
    return tasks


def _claim_steps(store: Store, locked: _Locked, lanes: Lanes, request: ClaimRequest, now: int) -> list[Task]:
    statements: list[Statement] = []
    tasks = []
    for *row, created_id, created_name in locked.steps:
        run, step = locked.owners[row[0]], step_of(_sound(row, created_id, created_name))
        claimed = claims.claim_step(step, request, now)
        statements += save_step(store, run, claimed, step.epoch)
        lanes.claimed(run, step)
        tasks.append(claims.step_task(run, claimed))
        _prove(store, _HAS_STEP, run.id, step.id, claimed.epoch, request.worker_id)
    store.connection.put_off(statements)
    return tasks


def _prove(store: Store, query: str, *values: object) -> None:
    """Have one of the claims prove that they are stored, all of them or none."""
    store.connection.prove(lambda: bool(store.connection.rows(query, *values)))


def _sound(row: list[Any], created_id: str | None, created_name: str | None) -> Row:
    """
    Return the row of a step that is to be carried out.

    Raises:
        DamagedError: the event that it refers to is not the one that made it, or not there.
    """
    run_id, step_id, _, seq, name, *_ = row
    if row[INPUT] is None or (created_id is not None and (created_id, created_name) != (step_id, name)):
        raise DamagedError(f"step {step_id}", f"event {seq} of the log did not create it", run_id=run_id)
    return tuple(row)
