"""
Queues with limits in a Postgres database: who waits in them, and how much of what they allow is taken.

Of several that claim at once, one at a time looks at a queue: else each would take the last slot. A claim looks from
key to key, beginning behind the key that was served last, and at no more of a key than it could take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from torpor.limits import KEYS_LOOKED_MAX
from torpor.model import ClaimRequest, Notice, Run, Step
from torpor.model.flow import Asleep, Limits, QueueInfo, QueueState
from torpor.worlds import flow
from torpor.worlds.flow import Room, Waiting
from torpor.worlds.postgres.statements import Row
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import Spend

Which = tuple[Any, ...]
"""A run's id, and of a step also its own."""

Found = list[tuple[tuple[Any, ...], Which]]
"""What may be claimed: what it is sorted by, and which."""

Name = tuple[str, str]
"""An application, and the name of a queue."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))"
"""A lock of the name, because there may be no row yet."""

_QUEUE: Final = "SELECT body FROM torpor.queues WHERE app = %s AND name = %s"
_PUT: Final = (
    "INSERT INTO torpor.queues (app, name, body) VALUES (%s, %s, %s) "
    "ON CONFLICT (app, name) DO UPDATE SET body = excluded.body"
)
_RUNS: Final = "torpor.turns WHERE route = %(route)s AND slot = 'waits' AND worker = '' AND ready_at IS NOT NULL"
_STEPS: Final = (
    "torpor.steps WHERE route = %(route)s AND ready_at IS NOT NULL AND lane IS NOT NULL AND name = ANY(%(names)s) "
    "AND id <> ALL(%(left)s)"
)
_WHICH: Final = {_RUNS: "n, 0, 1, run", _STEPS: "n, seq, weight, run, id"}
_HOLD: Final = "slot IN ('holds', 'awake')"
_HELD: Final = (
    f"SELECT (SELECT count(*) FROM torpor.turns WHERE app = %(app)s AND queue = %(name)s AND {_HOLD}) + "
    "(SELECT count(*) FROM torpor.steps WHERE app = %(app)s AND lane = %(name)s AND worker <> '')"
)
_HELD_HERE: Final = (
    "SELECT (SELECT count(*) FROM torpor.turns "
    f"WHERE worker = %(worker)s AND app = %(app)s AND queue = %(name)s AND {_HOLD}) + (SELECT count(*) "
    "FROM torpor.steps WHERE worker = %(worker)s AND worker <> '' AND app = %(app)s AND lane = %(name)s)"
)
_HELD_OF_KEY: Final = (
    "SELECT (SELECT count(*) FROM torpor.turns "
    f"WHERE app = %(app)s AND queue = %(name)s AND key = %(key)s AND {_HOLD}) + (SELECT count(*) "
    "FROM torpor.steps WHERE app = %(app)s AND lane = %(name)s AND key = %(key)s AND worker <> '')"
)
_COUNTS: Final = (
    "SELECT app, name, sum(waiting)::bigint, sum(held)::bigint FROM ("
    "SELECT app, queue AS name, "
    "count(*) FILTER (WHERE slot = 'waits' AND worker = '' AND ready_at IS NOT NULL) AS waiting, "
    f"count(*) FILTER (WHERE {_HOLD}) AS held FROM torpor.turns WHERE slot <> '' GROUP BY 1, 2 UNION ALL "
    "SELECT app, lane, count(*) FILTER (WHERE ready_at IS NOT NULL), count(*) FILTER (WHERE worker <> '') "
    "FROM torpor.steps WHERE lane IS NOT NULL AND app IS NOT NULL AND (ready_at IS NOT NULL OR worker <> '') "
    "GROUP BY 1, 2) counted GROUP BY 1, 2"
)
_AHEAD: Final = (
    "SELECT count(*) FROM torpor.turns t JOIN torpor.routes o ON o.k = t.route, "
    "(SELECT t.*, o.priority FROM torpor.turns t JOIN torpor.routes o ON o.k = t.route WHERE t.run = %(run)s) mine "
    "WHERE t.app = mine.app AND t.queue = mine.queue AND t.slot = 'waits' AND t.worker = '' AND t.ready_at IS NOT NULL "
    "AND (NOT %(per_key)s OR t.key = mine.key) AND (o.priority > mine.priority "
    "OR o.priority = mine.priority AND (t.queued_at, t.n) < (mine.queued_at, mine.n))"
)


class Lanes:
    """
    The queues that one claim looks at, inside its transaction.

    Args:
        store: where they are.
        request: who asks.
        routes: number, application, queue, guest and priority of each route in whose queue something may wait.
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
        for k, app, queue, guest, priority in routes:
            self._routes.setdefault((app, queue), []).append((-priority, k, guest))
        locks = [(_LOCK, (f"{app}//{queue}",)) for app, queue in sorted(self._routes)]
        if locks:
            store.connection.ask(*locks)
        self._states: dict[Name, QueueState] = {}
        self._rooms: dict[Name, Room] = {}
        self._claimed: dict[Name, list[tuple[str, int]]] = {}

    def turns(self) -> Found:
        """Return the runs that may begin."""
        return self._chosen(self._request.turns_max, _RUNS, is_of_guest=True)

    def steps(self) -> Found:
        """Return the steps that may begin."""
        return self._chosen(self._request.steps_max, _STEPS, is_of_guest=False)

    def asleep_of(self, run: Run) -> Asleep:
        """Return what the queue of a run that is to be claimed says of runs that sleep."""
        if not run.slot:
            return "hold"
        state = self._states.get((run.app, run.queue)) or find(self._store, run.app, run.queue)
        return state.limits.asleep

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

    def _chosen(self, most: int, table: str, *, is_of_guest: bool) -> Found:
        chosen: Found = []
        for name, routes in self._routes.items() if most else ():
            places = [(rank, k) for rank, k, guest in routes if bool(guest) == is_of_guest]
            if not places or (room := self._room(name)).is_full:
                continue
            served = self._states[name].served
            waiting = [each for rank, k in places for each in self._waiting(rank, k, table, served, most)]
            chosen += [((each.rank, *each.place), each.item) for each in flow.deal(waiting, room, served, most)]
        return chosen

    def _room(self, name: Name) -> Room:
        """Return what is left of a queue's limits."""
        if name not in self._rooms:
            asked = {"app": name[0], "name": name[1], "worker": self._request.worker_id}

            def count(query: str, key: str = "") -> int:
                [[(counted,)]] = self._store.connection.ask((query, {**asked, "key": key}))
                return int(counted)

            state = self._states[name] = find(self._store, *name)
            limits = state.limits
            held = count(_HELD) if limits.concurrency else 0
            here = count(_HELD_HERE) if limits.per_worker else 0
            self._rooms[name] = Room(state, self._now, held, here, lambda key: count(_HELD_OF_KEY, key))
        return self._rooms[name]

    def _waiting(self, rank: int, route: int, table: str, served: str, most: int) -> Iterator[Waiting[Which]]:
        """Yield what is ready of each key of a route, and note when the next is that is not."""
        asked: dict[str, Any] = {"route": route, "now": self._now, "most": most, "served": served}
        asked |= {"names": [*self._request.steps], "left": [*self._request.left]}
        ask = self._store.connection.ask
        for order in (">", "<="):  # behind the key that was served last, then from the first one up to it
            key: str | None = None
            for _ in range(KEYS_LOOKED_MAX):
                after = f"AND key {order} %(served)s" if key is None else "AND key > %(key)s"
                within = "AND key <= %(served)s" if order == "<=" else ""
                asked["key"] = key
                [[(key,)]] = ask((f"SELECT min(key) FROM {table} {after} {within}", asked))
                if key is None:
                    break
                asked["key"] = key
                of_key = f"FROM {table} AND key = %(key)s AND ready_at"
                ready = f"SELECT queued_at, {_WHICH[table]} {of_key} <= %(now)s ORDER BY queued_at, n LIMIT %(most)s"
                found, [(later,)] = ask((ready, asked), (f"SELECT min(ready_at) {of_key} > %(now)s", asked))
                for queued_at, n, seq, weight, *which in found:
                    yield Waiting(rank, key, (queued_at, n, seq), weight, tuple(which))
                if later is not None:
                    self.later.append(later)


def find(store: Store, app: str, name: str) -> QueueState:
    """Return a queue; one that nobody has set has no limits."""
    row = store.connection.row(_QUEUE, app, name)
    return QueueState(app, name) if row is None else msgspec.json.decode(row[0], type=QueueState)


def put(store: Store, state: QueueState) -> None:
    """Store a queue."""
    store.connection.rows(_PUT, state.app, state.name, msgspec.json.encode(state))


def _locked(store: Store, app: str, name: str) -> QueueState:
    store.connection.rows(_LOCK, f"{app}//{name}")
    return find(store, app, name)


def set_limits(store: Store, app: str, name: str, limits: Limits) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.set_queue`."""
    flow.check_limits(name, limits)
    with store.transaction():
        put(store, msgspec.structs.replace(_locked(store, app, name), limits=limits))
    return None, Notice(None, work=True)


def delete(store: Store, app: str, name: str) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.delete_queue`."""
    store.connection.rows("DELETE FROM torpor.queues WHERE app = %s AND name = %s", app, name)
    return None, Notice(None, work=True)


def spend(store: Store, request: Spend) -> None:
    """Answer :class:`torpor.worlds.requests.Spend`."""
    state = _locked(store, request.app, request.queue)
    if state.limits.rate:
        spent = flow.add_spent(state, request.now, request.weight)
        put(store, msgspec.structs.replace(state, spent=spent))


def all_of(store: Store, app: str | None) -> list[QueueInfo]:
    """Answer :meth:`torpor.world.Queues.queues`."""
    rows, counts = store.connection.ask_of_one_moment(("SELECT body FROM torpor.queues", ()), (_COUNTS, ()))
    found: dict[Name, QueueInfo] = {}
    for (body,) in rows:
        state = msgspec.json.decode(body, type=QueueState)
        found[state.app, state.name] = QueueInfo(state.app, state.name, state.limits)
    for its_app, name, waiting, held in counts:
        if (its_app, name) in found or waiting or held:
            known = found.get((its_app, name), QueueInfo(its_app, name, Limits()))
            found[its_app, name] = msgspec.structs.replace(known, waiting=waiting, held=held)
    mine = [info for info in found.values() if app is None or info.app == app]
    return sorted(mine, key=lambda info: (info.name, info.app))


def ahead_of(store: Store, run_id: str) -> int | None:
    """Answer :meth:`torpor.world.Queues.ahead_of`."""
    run = store.run(run_id)
    if run.slot != "waits":
        return None
    per_key = bool(find(store, run.app, run.queue).limits.per_key)
    [[(ahead,)]] = store.connection.ask((_AHEAD, {"run": run_id, "per_key": per_key}))
    return int(ahead)
