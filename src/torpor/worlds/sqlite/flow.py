"""
Queues with limits in a SQLite file: who waits in them, and how much of what they allow is taken.

A claim looks at one from key to key, beginning behind the key that was served last, and at no more of a key than it
could take. What has a slot is counted along an index of it: a look costs as much as goes on, however much waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from torpor.errors import DamagedError
from torpor.limits import KEYS_LOOKED_MAX
from torpor.model import ClaimRequest, Notice, Run, Step
from torpor.model.flow import Asleep, Limits, QueueInfo, QueueState
from torpor.worlds import flow
from torpor.worlds.flow import Room, Waiting
from torpor.worlds.requests import Spend
from torpor.worlds.sqlite.rows import Row
from torpor.worlds.sqlite.sound import NUMBER_MAX, NonsenseError, Shape, reading
from torpor.worlds.sqlite.store import Store

Which = tuple[Any, ...]
"""A run's rowid, and of a step also its seq and id."""

Found = list[tuple[tuple[Any, ...], Which]]
"""What may be claimed: what it is sorted by, and which."""

Name = tuple[str, str]
"""An application, and the name of a queue."""

QUEUES: Final = "SELECT app, name, body FROM queues"
_ROW: Final = Shape(app=str, name=str, body=bytes)
_PUT: Final = "INSERT OR REPLACE INTO queues VALUES (?, ?, ?)"
_SOUND: Final = "typeof(queued_at) = 'integer' AND typeof(key) = 'text'"
_RUNS: Final = f"runs WHERE route = :route AND slot = 1 AND worker IS NULL AND ready_at IS NOT NULL AND {_SOUND}"
_STEPS: Final = (
    f"steps WHERE route = :route AND ready_at IS NOT NULL AND lane IS NOT NULL AND {_SOUND} "
    "AND typeof(run) = 'integer' AND typeof(seq) = 'integer' AND typeof(id) = 'text' AND typeof(weight) = 'integer' "
    "AND kind IN (SELECT value FROM json_each(:kinds)) AND id NOT IN (SELECT value FROM json_each(:left))"
)
_ORDER: Final = {_RUNS: "k", _STEPS: "run, seq"}
_HELD: Final = (
    "SELECT (SELECT count(*) FROM runs WHERE lane = :lane AND slot > 1) + "
    "(SELECT count(*) FROM steps WHERE lane = :lane AND worker IS NOT NULL AND lane IS NOT NULL)"
)
_HELD_HERE: Final = (
    "SELECT (SELECT count(*) FROM runs WHERE worker = :worker AND +lane = :lane) + "
    "(SELECT count(*) FROM steps WHERE worker = :worker AND +lane = :lane)"
)
_HELD_OF_KEY: Final = (
    "SELECT (SELECT count(*) FROM runs WHERE lane = :lane AND key = :key AND slot > 1) + "
    "(SELECT count(*) FROM steps WHERE lane = :lane AND key = :key AND worker IS NOT NULL AND lane IS NOT NULL)"
)
_COUNTS: Final = (
    "SELECT app, queue, "
    "(SELECT count(*) FROM runs WHERE lane = l.k AND slot = 1 AND worker IS NULL AND ready_at IS NOT NULL) + "
    "(SELECT count(*) FROM steps WHERE lane = l.k AND ready_at IS NOT NULL AND lane IS NOT NULL), "
    "(SELECT count(*) FROM runs WHERE lane = l.k AND slot > 1) + "
    "(SELECT count(*) FROM steps WHERE lane = l.k AND worker IS NOT NULL AND lane IS NOT NULL) FROM lanes l"
)
_AHEAD: Final = (
    "SELECT count(*) FROM routes t JOIN runs o ON o.route = t.k AND o.slot = 1 AND o.worker IS NULL "
    "AND o.ready_at IS NOT NULL WHERE t.app = :app AND t.queue = :queue AND (:key IS NULL OR o.key = :key) "
    "AND (CAST(t.priority AS INTEGER) > :priority "
    "OR CAST(t.priority AS INTEGER) = :priority AND (o.queued_at, o.k) < (:queued_at, :k))"
)


class Lanes:
    """
    The queues that one claim looks at.

    Args:
        store: where they are.
        request: who asks.
        routes: priority, rowid and what it is of (JSON: application, queue, guest, key) of each route with a queue.
        now: the time.

    Attributes:
        later: when something of them may begin that may not now.
    """

    def __init__(self, store: Store, request: ClaimRequest, routes: Iterable[Row], now: int) -> None:
        self.later: list[int] = []
        self._store = store
        self._request = request
        self._now = now
        self._routes: dict[Name, list[tuple[int, int, str]]] = {}
        for priority, k, about, _ in routes:
            app, queue, guest, key_id = msgspec.json.decode(about)
            in_queue = request.queues is None or queue in request.queues
            if in_queue and app in request.apps and key_id in request.key_ids and guest in ("", *request.guests):
                self._routes.setdefault((app, queue), []).append((-int(priority), k, guest))
        self._states: dict[Name, QueueState] = {}
        self._rooms: dict[Name, Room] = {}
        self._claimed: dict[Name, list[tuple[str, int]]] = {}

    def turns(self) -> Found:
        """Return the runs that may begin."""
        return self._chosen(self._request.turns_max, _RUNS, "k, 1", is_of_guest=True)

    def steps(self) -> Found:
        """Return the steps that may begin."""
        return self._chosen(self._request.steps_max, _STEPS, "run, weight, seq, id", is_of_guest=False)

    def asleep_of(self, run: Run) -> Asleep:
        """Return what the queue of a run that is to be claimed says of runs that sleep."""
        state = self._states.get((run.app, run.queue))
        return "hold" if state is None else state.limits.asleep

    def claimed(self, run: Run, step: Step | None = None) -> None:
        """Take note of what was claimed, before it was."""
        if step is None and run.slot == "waits":
            self._claimed.setdefault((run.app, run.queue), []).append((run.key, 1))
        elif step is not None and step.place is not None:
            place = step.place
            self._claimed.setdefault((run.app, place.queue), []).append((place.key, place.weight))

    def save(self) -> None:
        """Store what has begun in each queue."""
        for name, claimed in self._claimed.items():
            put(self._store, flow.begun(self._states[name], self._now, claimed))
        retry_at = flow.first_retry([*self._rooms.values()])
        if retry_at is not None:
            self.later.append(retry_at)

    def _chosen(self, most: int, table: str, which: str, *, is_of_guest: bool) -> Found:
        chosen: Found = []
        for name, routes in self._routes.items() if most else ():
            places = [(rank, k) for rank, k, guest in routes if bool(guest) == is_of_guest]
            if not places or (room := self._room(name)) is None or room.is_full:
                continue
            served = self._states[name].served
            waiting = [each for rank, k in places for each in self._waiting(rank, k, table, which, served, most)]
            chosen += [((each.rank, *each.place), each.item) for each in flow.deal(waiting, room, served, most)]
        return chosen

    def _room(self, name: Name) -> Room | None:
        """Return what is left of a queue's limits, None where nobody has ever been."""
        if name not in self._rooms:
            db = self._store.db
            found = db.execute("SELECT k FROM lanes WHERE app = ? AND queue = ?", name).fetchone()
            if found is None:
                return None
            lane = found[0]

            def count(query: str, **values: object) -> int:
                return int(db.execute(query, {"lane": lane, **values}).fetchone()[0])

            state = self._states[name] = find(self._store, *name)
            limits = state.limits
            held = count(_HELD) if limits.concurrency else 0
            here = count(_HELD_HERE, worker=self._request.worker_id) if limits.per_worker else 0
            self._rooms[name] = Room(state, self._now, held, here, lambda key: count(_HELD_OF_KEY, key=key))
        return self._rooms[name]

    def _waiting(
        self, rank: int, route: int, table: str, which: str, served: str, most: int
    ) -> Iterator[Waiting[Which]]:
        """Yield what is ready of each key of a route, and note when the next is that is not."""
        asked = {"route": route, "now": self._now, "most": most, "served": served, **self._of_steps(table)}
        db = self._store.db
        for order in (">", "<="):  # behind the key that was served last, then from the first one up to it
            key: str | None = None
            for _ in range(KEYS_LOOKED_MAX):
                after = f"AND key {order} :served" if key is None else "AND key > :key"
                within = "AND key <= :served" if order == "<=" else ""
                asked["key"] = key
                (key,) = db.execute(f"SELECT min(key) FROM {table} {after} {within}", asked).fetchone()
                if key is None:
                    break
                asked["key"] = key
                found = db.execute(
                    f"SELECT queued_at, {which} FROM {table} AND key = :key AND ready_at <= :now "
                    f"ORDER BY queued_at, {_ORDER[table]} LIMIT :most",
                    asked,
                ).fetchall()
                for queued_at, k, weight, *rest in found:
                    if (k, rest[-1] if rest else "") not in self._store.unwritable:
                        yield Waiting(rank, key, (queued_at, k, *rest), weight, (k, *rest))
                (later,) = db.execute(
                    f"SELECT min(ready_at) FROM {table} AND key = :key "
                    f"AND ready_at > :now AND ready_at <= {NUMBER_MAX}",
                    asked,
                ).fetchone()
                if later is not None:
                    self.later.append(later)

    def _of_steps(self, table: str) -> dict[str, str]:
        if table is not _STEPS:
            return {}
        wanted = set(self._request.steps)
        rows = self._store.db.execute("SELECT k, name FROM kinds").fetchall()
        kinds = [k for k, name in rows if name in wanted]
        return {
            "kinds": msgspec.json.encode(kinds).decode(),
            "left": msgspec.json.encode(self._request.left).decode(),
        }


def state_of(row: Row) -> QueueState:
    """
    Return the value of a row of :data:`QUEUES`.

    Raises:
        DamagedError: it makes no sense.
    """
    app, name, body = row
    try:
        with reading(f"queue {name!r} of application {app!r}"):
            _ROW.check(row)
            state = msgspec.json.decode(body, type=QueueState)
            if (state.app, state.name) != (app, name):
                raise NonsenseError("its body is that of another queue")
    except msgspec.DecodeError as error:
        raise DamagedError(f"queue {name!r} of application {app!r}", str(error)) from error
    return state


def find(store: Store, app: str, name: str) -> QueueState:
    """Return a queue; one that nobody has set, or that is damaged, has no limits."""
    row = store.db.execute(f"{QUEUES} WHERE app = ? AND name = ?", (app, name)).fetchone()
    if row is not None:
        with suppress(DamagedError):
            return state_of(row)
    return QueueState(app, name)


def put(store: Store, state: QueueState) -> None:
    """Store a queue."""
    store.db.execute(_PUT, (state.app, state.name, msgspec.json.encode(state)))


def set_limits(store: Store, app: str, name: str, limits: Limits) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.set_queue`."""
    flow.check_limits(name, limits)
    put(store, msgspec.structs.replace(find(store, app, name), limits=limits))
    return None, Notice(None, work=True)


def delete(store: Store, app: str, name: str) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.delete_queue`."""
    store.db.execute("DELETE FROM queues WHERE app = ? AND name = ?", (app, name))
    return None, Notice(None, work=True)


def spend(store: Store, request: Spend) -> None:
    """Answer :class:`torpor.worlds.requests.Spend`."""
    state = find(store, request.app, request.queue)
    if state.limits.rate:
        spent = flow.add_spent(state, request.now, request.weight)
        put(store, msgspec.structs.replace(state, spent=spent))


def all_of(store: Store, app: str | None) -> list[QueueInfo]:
    """Answer :meth:`torpor.world.Queues.queues`."""
    found: dict[Name, QueueInfo] = {}
    for row in store.rows(QUEUES):
        with suppress(DamagedError):
            state = state_of(row)
            found[state.app, state.name] = QueueInfo(state.app, state.name, state.limits)
    for its_app, name, waiting, held in store.rows(_COUNTS):
        if (its_app, name) in found or waiting or held:
            known = found.get((its_app, name), QueueInfo(its_app, name, Limits()))
            found[its_app, name] = msgspec.structs.replace(known, waiting=waiting, held=held)
    mine = [info for info in found.values() if app is None or info.app == app]
    return sorted(mine, key=lambda info: (info.name, info.app))


def ahead_of(store: Store, run_id: str) -> int | None:
    """Answer :meth:`torpor.world.Queues.ahead_of`."""
    k, run = store.run(run_id)
    if run.slot != "waits":
        return None
    per_key = find(store, run.app, run.queue).limits.per_key
    about = {name: getattr(run, name) for name in ("app", "queue", "priority", "queued_at")}
    row = store.db.execute(_AHEAD, {**about, "key": run.key if per_key else None, "k": k}).fetchone()
    return int(row[0])
