"""
Queues with limits: who waits in them, and how much of what they allow is taken.

A claim looks at one from key to key, beginning behind the key that was served last, and at no more of a key than it
could take. What it takes is stored only if nobody else has taken of the queue meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.limits import KEYS_LOOKED_MAX
from torpor.model import Notice, Run, Step
from torpor.model.flow import Asleep, Limits, QueueInfo, QueueState
from torpor.worlds import flow
from torpor.worlds.flow import Room, Waiting
from torpor.worlds.redis.draft import Draft
from torpor.worlds.redis.keys import Route, is_place, joined, parted, place_of, text
from torpor.worlds.redis.rows import pack, routes_of, unpack, unpack_sound
from torpor.worlds.redis.store import Store
from torpor.worlds.requests import Spend

T = TypeVar("T")

Name = tuple[str, str]
"""An application, and the name of a queue."""

Place = tuple[Route, bytes, str]
"""A route, as it is and as it is stored, and a key in its queue."""

_NO_LIMITS: Final = Limits()


class Lanes:
    """
    The queues that one claim looks at.

    Args:
        store: where they are.
        worker_id: who asks.
        routes: those in whose queues something may wait for a slot.
        now: the time.
    """

    def __init__(self, store: Store, worker_id: str, routes: list[tuple[Route, bytes]], now: int) -> None:
        self._store = store
        self._now = now
        self._claimed: dict[Name, list[tuple[str, int]]] = {}
        self._states: dict[Name, QueueState] = {}
        self._versions: dict[Name, bytes | None] = {}
        self._rooms: dict[Name, Room] = {}
        self.places: list[Place] = []
        names = sorted({(route.app, route.queue) for route, _ in routes})
        if names and not self._is_sound(names, worker_id, routes):
            for name in names:
                self._is_sound([name], worker_id, routes)

    def _is_sound(self, names: list[Name], worker_id: str, routes: list[tuple[Route, bytes]]) -> bool:
        """Look at queues; return whether all of them could be read. From one that cannot nothing is taken."""
        try:
            self._read(names)
            rooms = {name: self._room(name, worker_id) for name in names}
            its = [each for each in routes if (each[0].app, each[0].queue) in rooms]
            places = [place for route, packed in its for place in self._keys(route, packed)]
        except DamagedError:
            return False
        self._rooms |= rooms
        self.places += places
        return True

    def is_full(self, route: Route) -> bool:
        """Return whether no slot is left in the queue of a route."""
        return self._rooms[route.app, route.queue].is_full

    def chosen(self, waiting: Iterable[tuple[Name, Waiting[T]]], most: int) -> list[Waiting[T]]:
        """Return of what waits in queues, and is ready, what may begin."""
        queues: dict[Name, list[Waiting[T]]] = {}
        for name, each in waiting:
            queues.setdefault(name, []).append(each)
        found: list[Waiting[T]] = []
        for name, items in queues.items():
            found += flow.deal(items, self._rooms[name], self._states[name].served, most)
        return found

    def asleep_of(self, run: Run) -> Asleep:
        """Return what the queue of a run that is to be claimed says of runs that sleep."""
        if not run.slot:
            return "hold"
        name = run.app, run.queue
        if name not in self._states:
            self._read([name])
        return self._states[name].limits.asleep

    def claimed(self, run: Run, step: Step | None = None) -> None:
        """Take note of what was claimed, before it was."""
        if step is None and run.slot == "waits":
            self._claimed.setdefault((run.app, run.queue), []).append((run.key, 1))
        elif step is not None and step.place is not None:
            place = step.place
            self._claimed.setdefault((run.app, place.queue), []).append((place.key, place.weight))

    def save(self, draft: Draft) -> None:
        """Put what has begun in each queue into a draft, which counts only if nobody else has begun anything."""
        for name, claimed in self._claimed.items():
            field = joined(*name)
            draft.expect(self._store.keys.taking, field, self._versions[name])
            draft.put(self._store.keys.taking, {field: self._store.new_version()})
            draft.put(self._store.keys.queues, {field: pack(flow.begun(self._states[name], self._now, claimed))})

    @property
    def retry_at(self) -> int | None:
        """When a rate lets something begin that it has held back."""
        return flow.first_retry([*self._rooms.values()])

    def _read(self, names: list[Name]) -> None:
        if not names:
            return
        keys, fields = self._store.keys, [joined(*name) for name in names]
        states, versions = self._store.connection.ask_of_one_moment(
            ("HMGET", keys.queues, *fields), ("HMGET", keys.taking, *fields)
        )
        for name, row, version in zip(names, states, versions, strict=True):
            self._states[name] = QueueState(*name) if row is None else state_of(row)
            self._versions[name] = version

    def _room(self, name: Name, worker_id: str) -> Room:
        state = self._states[name]
        limits = state.limits
        if not (limits.concurrency or limits.per_worker or limits.per_key):
            return Room(state, self._now, 0, 0, lambda _: 0)
        [found] = self._store.connection.ask(("HVALS", self._store.keys.of("slots", *name)))
        held = [parted(each) for each in found]
        keys = Counter(key for _, key in held)
        here = sum(worker == worker_id for worker, _ in held)
        return Room(state, self._now, len(held), here, lambda key: keys[key])

    def _keys(self, route: Route, packed: bytes) -> list[Place]:
        served = self._states[route.app, route.queue].served.encode()
        key, some = self._store.keys.of("keys", packed), ("LIMIT", 0, KEYS_LOOKED_MAX)
        behind, before = self._store.connection.ask(
            ("ZRANGEBYLEX", key, b"(" + served, "+", *some), ("ZRANGEBYLEX", key, "-", b"[" + served, *some)
        )
        return [(route, packed, text(each)) for each in behind + before]


def state_of(row: bytes) -> QueueState:
    """Return a queue."""
    return unpack(row, QueueState, "a queue")


def _find(store: Store, app: str, name: str) -> QueueState:
    """Return a queue, which must stay so; one that nobody has set has no limits."""
    row = store.draft.get(store.keys.queues, joined(app, name))
    return QueueState(app, name) if row is None else state_of(row)


def _put(store: Store, state: QueueState) -> None:
    store.draft.put(store.keys.queues, {joined(state.app, state.name): pack(state)})
    store.draft.put(store.keys.taking, {joined(state.app, state.name): store.new_version()})


def set_limits(store: Store, app: str, name: str, limits: Limits) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.set_queue`."""
    flow.check_limits(name, limits)
    _put(store, replace(_find(store, app, name), limits=limits))
    return None, Notice(None, work=True)


def delete(store: Store, app: str, name: str) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.delete_queue`."""
    store.draft.drop(store.keys.queues, [joined(app, name)])
    store.draft.put(store.keys.taking, {joined(app, name): store.new_version()})
    return None, Notice(None, work=True)


def spend(store: Store, request: Spend) -> None:
    """Answer :class:`torpor.worlds.requests.Spend`."""
    state = _find(store, request.app, request.queue)
    if state.limits.rate:
        _put(store, replace(state, spent=flow.add_spent(state, request.now, request.weight)))


def all_of(store: Store, app: str | None) -> list[QueueInfo]:
    """Answer :meth:`torpor.world.Queues.queues`."""
    keys = store.keys
    rows, routes = store.connection.ask(("HVALS", keys.queues), ("ZRANGE", keys.routes, 0, -1))
    states = {(state.app, state.name): state for state in unpack_sound(rows, QueueState)}
    lanes = [each for each in routes_of(routes) if each[0].lane]
    waiting: Counter[Name] = Counter()
    for route, packed in lanes:
        [of_keys] = store.connection.ask(("ZRANGE", keys.of("keys", packed), 0, -1))
        places = [keys.of(kind, packed, key) for key in of_keys for kind in ("ready", "later")]
        counts = store.connection.ask(*(("ZCARD", place) for place in places)) if places else []
        waiting[route.app, route.queue] += sum(counts)
    names = sorted({*states, *waiting})
    held = store.connection.ask(*(("HLEN", keys.of("slots", *name)) for name in names)) if names else []
    found = [
        QueueInfo(*name, states[name].limits if name in states else _NO_LIMITS, waiting[name], count)
        for name, count in zip(names, held, strict=True)
        if name in states or waiting[name] or count
    ]
    return sorted((info for info in found if app is None or info.app == app), key=lambda info: (info.name, info.app))


def ahead_of(store: Store, run_id: str) -> int | None:
    """Answer :meth:`torpor.world.Queues.ahead_of`."""
    keys = store.keys
    mine = store.row(run_id)
    run = mine.run
    if run.slot != "waits":
        return None
    row, routes = store.connection.ask(
        ("HGET", keys.queues, joined(run.app, run.queue)), ("ZRANGE", keys.routes, 0, -1)
    )
    per_key = row is not None and state_of(row).limits.per_key
    place = (-run.priority, run.queued_at, mine.n)
    ahead = 0
    for route, packed in routes_of(routes):
        if (route.kind, route.app, route.queue, route.lane) != ("t", run.app, run.queue, True):
            continue
        [of_keys] = store.connection.ask(("ZRANGE", keys.of("keys", packed), 0, -1))
        for key in [run.key.encode()] if per_key else of_keys:
            sets = store.connection.ask(*(("ZRANGE", keys.of(kind, packed, key), 0, -1) for kind in ("ready", "later")))
            found = (member for members in sets for member in members if is_place(member))
            ahead += sum(place_of(member)[0][:3] < place for member in found)
    return ahead
