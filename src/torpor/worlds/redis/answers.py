"""What a store answers to the requests of :mod:`torpor.worlds.requests`, and how an operation is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from torpor.errors import DamagedError, TorporError, WorldError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Event, Hook, Notice
from torpor.worlds import requests as ask
from torpor.worlds.notices import kinds_of, news_of
from torpor.worlds.redis import blobs, changes, erasing, flow, schedules, streams, tenants
from torpor.worlds.redis.keys import joined, text
from torpor.worlds.redis.store import WATCHED, Store
from torpor.worlds.requests import Conversation

T = TypeVar("T")

Act = Callable[[Store], tuple[T, Notice | None]]
"""Reads, drafts what is to be stored, and returns its result and whom to tell; it may be carried out more than once."""

TRIES_MAX: Final = 100
"""How often an operation is begun anew because others have changed what it has read."""


class _WrongKeyError(Exception):
    """A draft cannot be stored: a key is of another type than it must be."""

    def __init__(self, damage: DamagedError) -> None:
        super().__init__(str(damage))
        self.damage = damage


def carry_out(store: Store, act: Act[T]) -> tuple[T, Notice | None]:
    """
    Carry an operation out, store its draft, and tell other processes of it in the same moment; begin anew as long as
    somebody else was quicker. Who is refused was refused by what is still so.

    Raises:
        DamagedError: a key is of another type than it must be.
        WorldError: others never let it.
    """
    store.shunned.clear()
    for tries in range(TRIES_MAX):
        try:
            done = _tried(store, act, strict=tries > 0)
        except _WrongKeyError as error:
            if error.damage.run_id in {"", *store.shunned}:
                raise error.damage from None
            store.shunned[error.damage.run_id] = error.damage  # whoever can do without that run goes on
            continue
        if done is not None:
            return done
        store.forget_origins(store.relied)
    raise WorldError(f"world {store.url}: others have changed the same {TRIES_MAX} times meanwhile; try again")


def carry_out_once(store: Store, act: Act[T]) -> bool:
    """Do the same, and give up when somebody else was quicker; return whether it is stored."""
    store.shunned.clear()
    try:
        return _tried(store, act, strict=False) is not None
    except _WrongKeyError as error:
        raise error.damage from None


def _tried(store: Store, act: Act[T], *, strict: bool) -> tuple[T, Notice | None] | None:
    store.begin(strict=strict)
    try:
        result, notice = act(store)
    except TorporError:
        store.draft.give_up()
        if _is_stored(store, None):
            raise
        return None
    return (result, notice) if store.draft.is_empty or _is_stored(store, notice) else None


def _is_stored(store: Store, notice: Notice | None) -> bool:
    """Store the draft; return whether all that it rests on is still so."""
    group = store.draft.group()
    kinds = set() if notice is None else kinds_of(notice)
    news = news_of(kinds, store.whose).encode() if kinds else b""
    if group == [0, 0]:
        return True
    [stored] = store.connection.store(store.keys.news, news, [group])
    if stored == "damaged":
        raise _WrongKeyError(store.damage_of(store.draft.wanted()))
    return stored == "stored"


def converse(store: Store, conversation: Conversation[T]) -> T:
    """Carry a conversation on, within the draft that the store has."""
    return ask.converse(conversation, lambda request: answer(store, request))


def answer(store: Store, request: ask.Request) -> Any:
    """Answer a request within the draft that the store has."""
    return _ANSWERS[type(request)](store, request)


def _first(store: Store, request: ask.First) -> Event | None:
    run = store.runs[request.run_id].run
    events = store.events(run, 0, limit=1)
    return events[0] if events and events[0].seq == 1 else None


def _whole(store: Store, request: ask.Whole) -> tuple[Event, ...]:
    return tuple(store.events(store.runs[request.run_id].run, 0))


def _owner(store: Store, request: ask.Owner) -> Hook | None:
    place = store.draft.get(store.keys.tokens, request.token.encode())
    return None if place is None else store.hook_at(place)


def _reserved(store: Store, request: ask.Reserved) -> str:
    found = store.draft.get(store.keys.reserved, request.token.encode())
    if found is None:
        return ""
    until, _, run_id = found.partition(b" ")
    if not until.isdigit():
        raise DamagedError("a reservation", "it does not say until when it is")
    return text(run_id) if int(until) > request.now else ""


def _resumed(store: Store, request: ask.Resumed) -> str:
    found = store.draft.get(store.keys.resumed, joined(request.token, request.resume_id))
    return "" if found is None else text(found)


def _received(store: Store, request: ask.Received) -> bool:
    key = store.keys.of("messages", request.run_id)
    return store.draft.get(key, request.message_id.encode()) is not None


def _watchers(store: Store, request: ask.Watchers) -> tuple[Hook, ...]:
    run_key, key = store.run_key(request.run_id), store.keys.of("watchers", request.run_id)
    known = store.runs.get(request.run_id)
    if known is not None and not known.run.parent and not store.is_strict:
        store.draft.expect(run_key, WATCHED, None)  # of those that nobody has started hardly any is watched
        return ()
    watched, found = store.connection.ask_of_one_moment(("HGET", run_key, WATCHED), ("HGETALL", key))
    store.draft.expect(run_key, WATCHED, watched)
    places = sorted(store.draft.read(key, found).items(), key=lambda each: [int(n) for n in each[1].split()])
    hooks = (store.hook_at(place) for place, _ in places)
    return tuple(hook for hook in hooks if hook is not None)


def _children(store: Store, request: ask.Children) -> tuple[str, ...]:
    key = store.keys.of("children", request.run_id)
    [found] = store.connection.ask(("HGETALL", key))
    children = sorted(store.draft.read(key, found).items(), key=lambda each: int(each[1]))
    rows = store.rows([child.decode() for child, _ in children])
    runs = (store.runs.get(row.run.id, row).run for row in rows)
    return tuple(run.id for run in runs if run.status not in RUN_TERMINAL and not run.detached)


_ANSWERS: Final[dict[type, Callable[[Store, Any], Any]]] = {
    ask.Apply: lambda store, request: changes.apply(store, request.changes),
    ask.Part: Store.part,
    ask.Moved: Store.moved,
    ask.Load: lambda store, request: store.load(request.run_id),
    ask.First: _first,
    ask.Whole: _whole,
    ask.Inputs: lambda store, request: tuple(store.inputs(request.run_id, request.after)),
    ask.Payloads: lambda store, request: store.payloads(store.runs[request.run_id].run, request.seqs),
    ask.Newest: lambda store, request: store.snapshot(request.run_id, with_data=False),
    ask.Owner: _owner,
    ask.Received: _received,
    ask.Reserved: _reserved,
    ask.Resumed: _resumed,
    ask.Watchers: _watchers,
    ask.Children: _children,
    ask.Kept: lambda store, request: blobs.has(store, request.key),
    ask.PutStep: lambda store, request: changes.put_task(store, request.step, request.expected),
    ask.PutProgress: lambda store, request: changes.put_progress(store, request.step),
    ask.StreamOf: streams.state,
    ask.PutStream: lambda store, request: streams.put(store, request.changes),
    ask.Spend: flow.spend,
    ask.Scheduled: schedules.find,
    ask.PutSchedule: schedules.put,
    ask.DropSchedule: schedules.drop,
    ask.TenantOf: tenants.find,
    ask.PutTenant: tenants.put,
    ask.DropTenant: tenants.drop,
    ask.Erase: erasing.erase,
}
