"""
Operations that came together, as one transaction: they share its round trip and its wait for the disk.

Nearly all of them say at once what is to be stored. If all do, one pipeline stores it; else it is a transaction
in which each asks what it has to know. Whatever is refused for a row that somebody else has changed, and whatever the
server refuses, undoes all of it: then each half of them is a transaction, and so on. Who is refused before it has
stored anything disturbs nobody.

Rows are locked in the order of the runs' ids, so that no two such transactions wait for each other crosswise. What
turns out to be about another run, too, as the end of a child is, cannot share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from torpor.worlds import requests as ask
from torpor.worlds.postgres.alike import store_all
from torpor.worlds.postgres.answers import answer, rest
from torpor.worlds.postgres.changes import is_stored, is_whole, whole
from torpor.worlds.postgres.connection import LostError, UndoneError
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import Apply, Conversation
from torpor.worlds.sharing import Shared

_WRITES: Final = (ask.Apply, ask.PutStep, ask.PutProgress, ask.PutStream, ask.Spend, ask.Erase)


class _Sharing:
    """
    An operation that shares a transaction.

    Args:
        shared: which.

    Attributes:
        run_id: whose row it locks.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.run_id = shared.run_id
        self._conversation: Conversation[Any] | None = None

    def first(self) -> ask.Request | None:
        """Begin, and return what it asks first; None if it was refused before it has asked anything."""
        self._shared.forget()
        self._conversation = self._shared.begin()
        try:
            first = next(self._conversation)
        except Exception as error:  # noqa: BLE001  # it is this one's alone
            self._shared.error = error
            return None
        self._shared.is_single = isinstance(first, Apply) and not is_whole(first.changes)
        return first

    def stored(self) -> None:
        """Go on with what it asked first being stored."""
        assert self._conversation is not None, "it has begun"
        self._shared.value, self._shared.notice = rest(self._conversation)

    def converse(self, store: Store, first: ask.Request) -> None:
        """
        Carry it on in the transaction that the store is in.

        Raises:
            _SpoiltError: it was refused after it had stored something, or it cannot share.
        """
        assert self._conversation is not None, "it has begun"
        has_written = False

        def answered(request: ask.Request) -> Any:
            nonlocal has_written
            if _run_of(request) not in ("", self.run_id):
                self._shared.is_single = True
                raise _SpoiltError
            result = answer(store, request)
            has_written |= isinstance(request, _WRITES)
            return result

        try:
            self._shared.value, self._shared.notice = ask.converse(self._conversation, answered, first=first)
        except (psycopg.Error, LostError, UndoneError, _SpoiltError):
            raise
        except Exception as error:
            if has_written:
                raise _SpoiltError from error
            self._shared.error = error


class _SpoiltError(Exception):
    """An operation was refused that has left something in the transaction."""


def _run_of(request: ask.Request) -> str:
    """Return which run a request is about, ``""`` for none alone."""
    if isinstance(request, Apply):
        return request.changes.run.id
    if isinstance(request, ask.PutStep | ask.PutProgress):
        return request.step.run_id
    return getattr(request, "run_id", "")


def carry_out(store: Store, shared: Sequence[Shared]) -> bool:
    """
    Carry operations out in one transaction, and let each have its result; return whether that was possible.

    Nothing is stored when it was not.

    Raises:
        LostError: the connection went, and nobody knows whether they are stored.
    """
    ordered = [_Sharing(each) for each in sorted(shared, key=lambda each: each.run_id)]
    try:
        begun = [(each, first) for each in ordered if (first := each.first()) is not None]
        if any(each.is_single for each in shared):
            return False
        all_changes = [first.changes for _, first in begun if isinstance(first, Apply) and is_whole(first.changes)]
        if len(all_changes) == len(begun):
            for each, _ in begun:
                each.stored()  # as they will be, or else nobody hears of it
            return store_all(store, all_changes)
        with store.transaction():
            for each, first in begun:
                _within(store, each, first)
    except (psycopg.Error, _SpoiltError, UndoneError):
        store.connection.reset()
        store.routes.forget()
        return False
    return True


def _within(store: Store, each: _Sharing, first: ask.Request) -> None:
    if not (isinstance(first, Apply) and is_whole(first.changes)):
        each.converse(store, first)
        return
    changes = first.changes
    store.connection.put_off(whole(store, changes))
    store.connection.prove(lambda: is_stored(store, changes))
    store.locked(changes.run)
    each.stored()
