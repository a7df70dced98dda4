"""What a store answers to the requests of :mod:`torpor.worlds.requests`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg

from torpor.model import Event, Hook
from torpor.worlds import requests as ask
from torpor.worlds.draft import MAILBOX
from torpor.worlds.postgres import blobs, changes, flow, pruning, schedules, streams, tenants
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import Conversation, StaleError, TokenTakenError

T = TypeVar("T")

_RESERVED: Final = "SELECT run FROM torpor.reservations WHERE token = %s AND until > %s"
_RECEIVED: Final = "SELECT 1 FROM torpor.resumes WHERE run = %s AND token = %s AND resume_id = %s"
_RESUMED: Final = "SELECT run FROM torpor.resumes WHERE token = %s AND token <> '' AND resume_id = %s"
_WATCHERS: Final = "JOIN torpor.watchers w ON w.run = h.run AND w.hook = h.id WHERE w.watch = %s ORDER BY w.n, w.op"
_CHILDREN: Final = (
    "SELECT id FROM torpor.runs WHERE parent = %s AND parent <> '' AND ended_at = 0 AND NOT detached ORDER BY n"
)


def converse(store: Store, conversation: Conversation[T]) -> T:
    """
    Carry a conversation on until it has its result, in a transaction.

    Most conversations of workers have one thing to say: what a turn has changed. That is a transaction by itself.
    """
    request = next(conversation)
    if isinstance(request, ask.Apply) and changes.is_whole(request.changes):
        try:
            changes.store_whole(store, request.changes)
        except (StaleError, TokenTakenError) as error:
            request = conversation.throw(error)
        else:
            return rest(conversation)
    with store.transaction():
        return ask.converse(conversation, lambda asked: answer(store, asked), first=request)


def rest(conversation: Conversation[T]) -> T:
    """Return the result of a conversation that began with changes, which are stored and were all."""
    try:
        request = conversation.send(None)
        while isinstance(request, ask.Watchers):  # nobody watches: else they were not all
            request = conversation.send(())
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError(f"a conversation that begins with changes goes on with {type(request).__name__}")


def converse_within(store: Store, conversation: Conversation[T]) -> T:
    """Do the same in the transaction that the store is in."""
    return ask.converse(conversation, lambda asked: answer(store, asked))


def answer(store: Store, request: ask.Request) -> Any:
    """
    Answer a request, inside a transaction.

    Raises:
        StaleError, TokenTakenError: in answer to changes that came too late; nothing of them is stored.
    """
    return _ANSWERS[type(request)](store, request)


def _first(store: Store, request: ask.First) -> Event | None:
    events = store.events(request.run_id, 0, limit=1)
    return events[0] if events and events[0].seq == 1 else None


def _reserved(store: Store, request: ask.Reserved) -> str:
    row = store.connection.row(_RESERVED, request.token, request.now)
    return "" if row is None else str(row[0])


def _received(store: Store, request: ask.Received) -> bool:
    return store.connection.row(_RECEIVED, request.run_id, MAILBOX, request.message_id) is not None


def _resumed(store: Store, request: ask.Resumed) -> str:
    row = store.connection.row(_RESUMED, request.token, request.resume_id)
    return "" if row is None else str(row[0])


def _watchers(store: Store, request: ask.Watchers) -> tuple[Hook, ...]:
    return tuple(store.hooks(_WATCHERS, request.run_id))


def _children(store: Store, request: ask.Children) -> tuple[str, ...]:
    return tuple(run_id for (run_id,) in store.connection.rows(_CHILDREN, request.run_id))


def _put_step(store: Store, request: ask.PutStep) -> None:
    step = request.step
    try:
        store.connection.store(changes.save_step(store, store.run(step.run_id), step, request.expected))
    except psycopg.errors.DivisionByZero:
        raise StaleError from None


_ANSWERS: Final[dict[type, Callable[[Store, Any], Any]]] = {
    ask.Apply: lambda store, request: changes.store_within(store, request.changes),
    ask.Part: Store.part,
    ask.Moved: Store.moved,
    ask.Load: lambda store, request: store.entities(request.run_id, "stored", locked=True),
    ask.First: _first,
    ask.Whole: lambda store, request: tuple(store.events(request.run_id, 0)),
    ask.Inputs: lambda store, request: tuple(store.inputs(request.run_id, request.after)),
    ask.Payloads: lambda store, request: store.payloads(request.run_id, request.seqs),
    ask.Newest: lambda store, request: store.snapshot(request.run_id, with_data=False),
    ask.Owner: lambda store, request: store.owner(request.token),
    ask.Received: _received,
    ask.Reserved: _reserved,
    ask.Resumed: _resumed,
    ask.Watchers: _watchers,
    ask.Children: _children,
    ask.Kept: lambda store, request: blobs.has(store, request.key),
    ask.PutStep: _put_step,
    ask.PutProgress: lambda store, request: store.connection.put_off(changes.save_progress(request.step)),
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
