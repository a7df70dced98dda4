"""What a store answers to the requests of :mod:`torpor.worlds.requests`, inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from torpor.model import Entities, Event, Hook
from torpor.worlds import requests as ask
from torpor.worlds.draft import MAILBOX
from torpor.worlds.requests import Conversation, StaleError
from torpor.worlds.sqlite import blobs, changes, flow, pruning, schedules, streams, tenants
from torpor.worlds.sqlite.store import Store

T = TypeVar("T")


def converse(store: Store, conversation: Conversation[T]) -> T:
    """Carry a conversation on until it has its result."""
    return ask.converse(conversation, lambda request: _ANSWERS[type(request)](store, request))


def _load(store: Store, request: ask.Load) -> Entities | None:
    found = store.entities(request.run_id, "stored")
    return found and found[1]


def _first(store: Store, request: ask.First) -> Event | None:
    events = store.events(store.existing(request.run_id), 0, limit=1)
    return events[0] if events and events[0].seq == 1 else None


def _reserved(store: Store, request: ask.Reserved) -> str:
    query = "SELECT r.id FROM reservations t JOIN runs r ON r.k = t.run WHERE t.token = ? AND t.until > ?"
    row = store.db.execute(query, (request.token, request.now)).fetchone()
    return "" if row is None else str(row[0])


def _received(store: Store, request: ask.Received) -> bool:
    query = "SELECT 1 FROM resumes WHERE run = ? AND token = ? AND resume_id = ?"
    about = (store.existing(request.run_id), MAILBOX, request.message_id)
    return store.db.execute(query, about).fetchone() is not None


def _resumed(store: Store, request: ask.Resumed) -> str:
    where = "t.token = ? AND t.token <> '' AND t.resume_id = ?"
    query = f"SELECT r.id FROM resumes t JOIN runs r ON r.k = t.run WHERE {where}"
    row = store.db.execute(query, (request.token, request.resume_id)).fetchone()
    return "" if row is None else str(row[0])


def _watchers(store: Store, request: ask.Watchers) -> tuple[Hook, ...]:
    where = "WHERE h.watch = ? AND h.watch <> '' AND h.status = 0 ORDER BY h.run, h.op"
    return tuple(hook for hook in store.hooks(where, request.run_id) if hook is not None)


def _children(store: Store, request: ask.Children) -> tuple[str, ...]:
    query = "SELECT id FROM runs WHERE parent = ? AND parent <> '' AND status < 2 AND NOT detached ORDER BY k"
    return tuple(run_id for (run_id,) in store.rows(query, request.run_id) if isinstance(run_id, str))


def _put_step(store: Store, request: ask.PutStep) -> None:
    found = store.find(request.step.run_id)
    if found is None:
        raise StaleError
    changes.save_step(store, found[1], request.step, request.expected)


_ANSWERS: Final[dict[type, Callable[[Store, Any], Any]]] = {
    ask.Apply: lambda store, request: changes.apply(store, request.changes),
    ask.Part: Store.part,
    ask.Load: _load,
    ask.Moved: Store.moved,
    ask.First: _first,
    ask.Whole: lambda store, request: tuple(store.events(store.existing(request.run_id), 0)),
    ask.Inputs: lambda store, request: tuple(store.inputs(store.existing(request.run_id), request.after)),
    ask.Payloads: lambda store, request: store.payloads(store.existing(request.run_id), request.seqs),
    ask.Newest: lambda store, request: store.snapshot(store.existing(request.run_id), with_data=False),
    ask.Owner: lambda store, request: store.owner(request.token),
    ask.Resumed: _resumed,
    ask.Received: _received,
    ask.Reserved: _reserved,
    ask.Watchers: _watchers,
    ask.Children: _children,
    ask.Kept: lambda store, request: blobs.has(store, request.key),
    ask.PutStep: _put_step,
    ask.PutProgress: lambda store, request: changes.save_progress(store, request.step),
    ask.StreamOf: streams.state,
    ask.PutStream: lambda store, request: streams.put(store, request.changes),
    ask.Spend: flow.spend,
    ask.Scheduled: schedules.find,
    ask.PutSchedule: schedules.put,
    ask.DropSchedule: schedules.drop,
    ask.TenantOf: tenants.find,
    ask.PutTenant: tenants.put,
    ask.DropTenant: tenants.drop,
    ask.Erase: pruning.erase,
}
