"""
Claiming: what is ready, and who gets it.

A claim looks along its routes, each of which is of one priority: at what is ready at once (``ready_at = 0``) in the
order of ``queued_at``, and at what is due in that of ``ready_at``, which is its ``queued_at`` too; timers of the future
are never passed. Step tasks lie by route and kind, and the look goes from kind to kind, so that tasks whose names a
worker lacks cost it nothing, however many there are. All of that is one query, which tells of the worker, too: who
polls an empty queue asks no more. It also tells whether a deadline has passed; what missed its own ends first.
"""

from __future__ import annotations

from typing import Final

import msgspec

from torpor.clock import Clock
from torpor.errors import DamagedError
from torpor.model import NOW, ClaimRequest, Claims, Event, Notice, Run, Task
from torpor.worlds import claims
from torpor.worlds.sqlite.changes import save_run, save_step, set_run_aside, set_step_aside
from torpor.worlds.sqlite.deadlines import NEXT, OVERDUE, expire
from torpor.worlds.sqlite.flow import Found, Lanes
from torpor.worlds.sqlite.rows import SHIFT, STEP_COLUMNS, Row, step_of
from torpor.worlds.sqlite.sound import NUMBER_MAX
from torpor.worlds.sqlite.store import Store


def _routes(apps: str, guests: str) -> str:
    wanted = {"app": apps, "guest": guests, "key_id": ":key_ids"}
    fits = [f"{column} IN (SELECT value FROM json_each({values}))" for column, values in wanted.items()]
    return " AND ".join([*fits, "(:queues = 'null' OR queue IN (SELECT value FROM json_each(:queues)))"])


def _look(table: str, place: str, which: str, most: str) -> str:
    """Return columns that tell of one place, as JSON: what is ready at once, what is due, and when the next is."""
    ready = (
        f"(SELECT json_group_array(json_array(queued_at, {which})) FROM (SELECT queued_at, {which} FROM {table} "
        f"WHERE {place} AND {{}} ORDER BY ready_at, queued_at, {which} LIMIT {most}))"
    )
    at_once, due = ready.format("ready_at = 0"), ready.format("ready_at > 0 AND ready_at <= :now")
    next_at = f"SELECT min(ready_at) FROM {table} WHERE {place} AND ready_at > :now AND ready_at <= {NUMBER_MAX}"
    return f"{at_once}, {due}, ({next_at})"


# What is no number has no place in a queue, and must not keep others from theirs: JSON takes no blobs.
_IN_QUEUE: Final = "typeof(queued_at) = 'integer'"
_TURNS: Final = _look("runs", f"route = routes.k AND worker IS NULL AND slot <> 1 AND {_IN_QUEUE}", "k", ":turns")
WAITING: Final = (
    # From kind to kind of the step tasks in some routes, instead of through all that wait.
    "WITH RECURSIVE waiting (place, kind) AS ("
    "SELECT k, "
    "(SELECT min(kind) FROM steps WHERE route = routes.k AND kind > 0 AND ready_at IS NOT NULL AND lane IS NULL) "
    "FROM routes WHERE {routes} "
    "UNION ALL SELECT place, "
    "(SELECT min(kind) FROM steps "
    "WHERE route = place AND kind > waiting.kind AND ready_at IS NOT NULL AND lane IS NULL) "
    "FROM waiting WHERE kind IS NOT NULL)"
)
_LOOK: Final = (
    f"{WAITING.format(routes=_routes(':apps_of_steps', ':no_guest'))} "
    "SELECT 'worker', NULL, NULL, NULL, NULL FROM workers WHERE id = :worker "
    f"UNION ALL SELECT 'overdue', NULL, {OVERDUE}, NULL, {NEXT} "
    f"UNION ALL SELECT 'turns', priority, {_TURNS} FROM routes WHERE {_routes(':apps_of_turns', ':guests')} "
    "UNION ALL SELECT 'steps', (SELECT priority FROM routes WHERE k = place), place, kind, "
    "(SELECT min(ready_at) FROM steps WHERE route = place AND kind = waiting.kind AND lane IS NULL "
    f"AND ready_at <= {NUMBER_MAX}) FROM waiting WHERE kind IS NOT NULL "
    # Of these there are few, and hardly ever any: to compare them here would cost more than all the rest.
    "UNION ALL SELECT 'lanes', priority, k, json_array(app, queue, guest, key_id), NULL FROM routes WHERE queue <> ''"
)
_PLACE: Final = (
    "route = :place AND kind = :kind AND lane IS NULL AND id NOT IN (SELECT value FROM json_each(:left)) "
    f"AND {_IN_QUEUE} AND typeof(run) = 'integer' AND typeof(seq) = 'integer' AND typeof(id) = 'text'"
)
ALL_OF_TYPES: Final = (
    f"{_IN_QUEUE} AND typeof(run) = 'integer' AND typeof(created_at) = 'integer' AND typeof(snoozed) = 'text'"
)
_STEPS: Final = f"SELECT {_look('steps', _PLACE, 'run, seq, id', ':steps')}"
_TASK: Final = (
    f"SELECT e.id, e.name, {STEP_COLUMNS}, ifnull(ifnull(s.input, e.payload), x'') FROM steps s "
    f"LEFT JOIN events e ON e.k = s.run << {SHIFT} | s.seq AND s.input IS NULL WHERE s.run = ? AND s.id = ?"
)


def claim(store: Store, request: ClaimRequest, clock: Clock) -> tuple[Claims, Notice | None]:
    """Answer :meth:`torpor.world.Queue.claim`."""
    now = clock.now()
    looked = _looked(store, request, now)
    if not looked["worker"]:
        return Claims(known=False), None
    ((_, overdue, _, deadline),) = looked["overdue"]
    notice = expire(store, now) if overdue else None
    if notice is not None:
        looked = _looked(store, request, now)
    lanes = Lanes(store, request, looked["lanes"], now)
    turns, turns_at = _choose(store, looked["turns"], lanes.turns(), request.turns_max)
    at_steps = _look_at_steps(store, looked["steps"], request, now)
    steps, steps_at = _choose(store, at_steps, lanes.steps(), request.steps_max)
    tasks = _claim_turns(store, turns, lanes, request.worker_id, now)
    tasks += _claim_steps(store, steps, lanes, request, now)
    lanes.save()
    if len(tasks) < len(turns) + len(steps):  # damaged ones stood before others, which are to be claimed at once
        return Claims(tasks, NOW), notice
    more = 0 < request.turns_max == len(turns) or 0 < request.steps_max == len(steps)
    deadlines = [] if deadline is None else [deadline]
    return Claims(tasks, None if more else min(turns_at + steps_at + lanes.later + deadlines, default=None)), notice


def _looked(store: Store, request: ClaimRequest, now: int) -> dict[str, list[Row]]:
    """Return what one look along the routes of a request tells."""
    looked: dict[str, list[Row]] = {"worker": [], "overdue": [], "turns": [], "steps": [], "lanes": []}
    for kind, *told in store.db.execute(_LOOK, _asked(store, request, now)).fetchall():
        looked[kind].append(tuple(told))
    return looked


def _asked(store: Store, request: ClaimRequest, now: int) -> dict[str, object]:
    lists = {
        "apps_of_turns": request.apps if request.turns_max else (),
        "apps_of_steps": request.apps if request.steps_max else (),
        "queues": request.queues,
        "guests": request.guests,
        "no_guest": ("",),
        "key_ids": request.key_ids,
    }
    asked: dict[str, object] = {name: msgspec.json.encode(texts).decode() for name, texts in lists.items()}
    return asked | {"worker": request.worker_id, "now": now, "turns": _most(store, request.turns_max)}


def _look_at_steps(store: Store, waiting: list[Row], request: ClaimRequest, now: int) -> list[Row]:
    """Return what is told of each place where steps wait that the request would take."""
    told: list[Row] = []
    wanted = set(request.steps) if waiting else ()
    left = msgspec.json.encode(request.left).decode()
    for priority, place, kind, first_at in waiting:
        of_kind = store.kinds.find(kind)
        if of_kind is None or of_kind[0] not in wanted or first_at is None:
            continue
        if first_at > now and not request.left:
            told.append((priority, "[]", "[]", first_at))
        else:
            asked = {"place": place, "kind": kind, "now": now, "steps": _most(store, request.steps_max), "left": left}
            told.append((priority, *store.db.execute(_STEPS, asked).fetchone()))
    return told


def _most(store: Store, most: int) -> int:
    """Return how many to look for in each place to find so many that can be claimed."""
    return most and most + len(store.unwritable)


def _choose(store: Store, places: list[Row], found: Found, most: int) -> tuple[Found, list[int]]:
    """Return those of all places, and of what was found elsewhere, that come first, and when the next of each is."""
    for priority, at_once, due, _ in places:
        rank = -int(priority)
        at_places = msgspec.json.decode(at_once) + msgspec.json.decode(due)
        found += [((rank, *each), tuple(each[1:])) for each in at_places]
    if store.unwritable:
        found = [each for each in found if (each[1][0], each[1][-1] if each[1][1:] else "") not in store.unwritable]
    return sorted(found)[:most], [next_at for *_, next_at in places if next_at is not None]


def _claim_turns(store: Store, found: Found, lanes: Lanes, worker_id: str, now: int) -> list[Task]:
    tasks = []
    for _, (k,) in found:
        try:
            run = store.run_at(k)
            claimed = claims.claim(run, worker_id, lanes.asleep_of(run))
            save_run(store, run, claimed)
            lanes.claimed(run)
        except DamagedError as error:
            set_run_aside(store, k, str(error), now)
        else:
            tasks.append(claims.turn_task(claimed, _created(store, k, claimed)))
    return tasks


def _created(store: Store, k: int, run: Run) -> list[Event]:
    """Return the log of a run that nobody has touched yet; of what is wrong with it loading tells."""
    try:
        return store.events(k, 0) if claims.is_untouched(run) else []
    except DamagedError:
        return []


def _claim_steps(store: Store, found: Found, lanes: Lanes, request: ClaimRequest, now: int) -> list[Task]:
    runs: dict[int, Run] = {}
    tasks = []
    for _, (k, _, step_id) in found:
        try:
            if k not in runs:
                runs[k] = store.run_at(k)
            run = runs[k]
            created_id, created_name, *row = store.db.execute(_TASK, (k, step_id)).fetchone()
            step = step_of(run.id, tuple(row), store.kinds.texts, store.lanes.texts)
            # Else another step would be carried out, or this one with another's arguments.
            if not step.input or (created_id and (created_id, created_name) != (step.id, step.name)):
                raise DamagedError(f"step {step_id}", f"event {step.seq} of the log did not create it", run_id=run.id)
            claimed = claims.claim_step(step, request, now)
            save_step(store, run, claimed, step.epoch)
            lanes.claimed(run, step)
        except DamagedError as error:
            set_step_aside(store, k, step_id, str(error), now)
        else:
            tasks.append(claims.step_task(run, claimed))
    return tasks
