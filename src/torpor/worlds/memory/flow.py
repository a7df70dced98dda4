"""Queues with limits of a memory world: who waits in them, and what is taken of what they allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from torpor.model import Notice, Run, Step
from torpor.model.flow import Limits, QueueInfo, QueueState
from torpor.worlds import flow
from torpor.worlds.flow import Room, Waiting
from torpor.worlds.memory.store import Rows, Store

T = TypeVar("T")
Name = tuple[str, str]
"""An application, and the name of a queue."""


class Lanes:
    """
    The queues that one claim looks at.

    Args:
        store: where they are.
        worker_id: who asks.
        now: the time.
    """

    def __init__(self, store: Store, worker_id: str, now: int) -> None:
        self._store = store
        self._worker_id = worker_id
        self._now = now
        self._rooms: dict[Name, Room] = {}
        self._claimed: dict[Name, list[tuple[str, int]]] = {}

    def is_full(self, name: Name) -> bool:
        """Return whether no slot of a queue is left, so that what becomes ready has to wait for its owner's word."""
        return self._room(name).is_full

    def chosen(self, waiting: Iterable[tuple[Name, Waiting[T]]], most: int) -> list[Waiting[T]]:
        """Return of what waits in queues, and is ready, what may begin."""
        queues: dict[Name, list[Waiting[T]]] = {}
        for name, each in waiting:
            queues.setdefault(name, []).append(each)
        found: list[Waiting[T]] = []
        for name, items in queues.items():
            found += flow.deal(items, self._room(name), state_of(self._store, name).served, most)
        return found

    def claimed(self, run: Run, step: Step | None = None) -> None:
        """Take note of what was claimed, before it was."""
        if step is None and run.slot == "waits":
            self._claimed.setdefault((run.app, run.queue), []).append((run.key, 1))
        elif step is not None and step.place is not None:
            place = step.place
            self._claimed.setdefault((run.app, place.queue), []).append((place.key, place.weight))

    def save(self) -> int | None:
        """Store what has begun in each queue; return when a rate lets more begin."""
        for name, claimed in self._claimed.items():
            self._store.queues[name] = flow.begun(state_of(self._store, name), self._now, claimed)
        return flow.first_retry([*self._rooms.values()])

    def _room(self, name: Name) -> Room:
        if name not in self._rooms:
            held = [(worker, key) for its, worker, key in holders(self._store) if its == name]
            keys = Counter(key for _, key in held)
            here = sum(worker == self._worker_id for worker, _ in held)
            state = state_of(self._store, name)
            self._rooms[name] = Room(state, self._now, len(held), here, lambda key: keys[key])
        return self._rooms[name]


def state_of(store: Store, name: Name) -> QueueState:
    """Return a queue; one that nobody has set has no limits."""
    return store.queues.get(name) or QueueState(*name)


def holders(store: Store) -> list[tuple[Name, str, str]]:
    """Return of whatever has a slot the queue, the worker and the key."""
    found: list[tuple[Name, str, str]] = []
    for rows in store.runs.values():
        run = rows.run
        if run.slot in ("holds", "awake"):
            found.append(((run.app, run.queue), run.worker, run.key))
        places = [(step.place, step.worker) for step in rows.steps.values() if step.worker]
        found += [((run.app, place.queue), worker, place.key) for place, worker in places if place is not None]
    return found


def set_limits(store: Store, app: str, name: str, limits: Limits) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.set_queue`."""
    flow.check_limits(name, limits)
    store.queues[app, name] = replace(state_of(store, (app, name)), limits=limits)
    return None, Notice(None, work=True)


def delete(store: Store, app: str, name: str) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Queues.delete_queue`."""
    store.queues.pop((app, name), None)
    return None, Notice(None, work=True)


def all_of(store: Store, app: str | None) -> list[QueueInfo]:
    """Answer :meth:`torpor.world.Queues.queues`."""
    waiting: Counter[Name] = Counter()
    for rows in store.ready_turns():
        if rows.run.slot == "waits" and rows.run.ready_at is not None:
            waiting[rows.run.app, rows.run.queue] += 1
    for rows, step in store.ready_steps():
        if step.place is not None and step.ready_at is not None:
            waiting[rows.run.app, step.place.queue] += 1
    held = Counter(name for name, _, _ in holders(store))
    names = {*store.queues, *waiting, *held}
    found = [QueueInfo(*name, state_of(store, name).limits, waiting[name], held[name]) for name in names]
    return sorted((info for info in found if app is None or info.app == app), key=lambda info: (info.name, info.app))


def ahead_of(store: Store, run_id: str) -> int | None:
    """Answer :meth:`torpor.world.Queues.ahead_of`."""
    mine = store.existing(run_id)
    if mine.run.slot != "waits":
        return None
    per_key = state_of(store, (mine.run.app, mine.run.queue)).limits.per_key
    place = _place(mine)
    return sum(
        _place(rows) < place
        for rows in store.ready_turns()
        if rows.run.slot == "waits"
        and (rows.run.app, rows.run.queue) == (mine.run.app, mine.run.queue)
        and (not per_key or rows.run.key == mine.run.key)
    )


def _place(rows: Rows) -> tuple[int, int, int]:
    return -rows.run.priority, rows.run.queued_at, rows.n
