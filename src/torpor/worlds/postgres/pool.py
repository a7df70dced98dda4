"""
Connections to a Postgres server; see :mod:`torpor.worlds.pool`, and of operations that share a transaction
:mod:`torpor.worlds.sharing`.

Who lost its connection is carried out again on a new one, unless it is not known whether it is stored; so is who met
somebody else at the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import psycopg

from torpor.model import Notice
from torpor.worlds.pool import Operation
from torpor.worlds.postgres.answers import converse
from torpor.worlds.postgres.connection import Connection, LostError, UndoneError
from torpor.worlds.postgres.faults import failure_of, may_go_again
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.together import carry_out
from torpor.worlds.postgres.url import Settings
from torpor.worlds.sharing import Shared, SharingPool

T = TypeVar("T")

_TRIES_MAX: Final = 20


class Pool(SharingPool[Store]):
    """
    Some connections.

    Args:
        settings: tells where to.
        size: how many there are at most.
        url: of the world, without its password.
        tell: is called after a change, on any thread.
    """

    def __init__(self, settings: Callable[[], Settings], size: int, url: str, tell: Callable[[Notice], None]) -> None:
        self._settings = settings
        super().__init__(size, url, tell)

    def _new_store(self) -> Store:
        return Store(Connection(self._settings(), self._given_up), self._url)

    def _connect(self, store: Store) -> None:
        store.connection.try_to_connect()

    def _let_go_of(self, store: Store) -> None:
        store.connection.drop()

    def _failure_of(self, error: Exception, about: str) -> Exception:
        return failure_of(error, self._url, about)

    def _alone(self, store: Store, each: Shared) -> tuple[Any, Notice | None]:
        return converse(store, each.begin())

    def _carry_out_together(self, store: Store, shared: Sequence[Shared]) -> None:
        """Carry operations out in one transaction, or in two if that cannot be, and so on; but not what is single."""
        if len(shared) == 1:
            [each] = shared
            each.forget()
            try:
                each.value, each.notice = self._carry_out(store, partial(self._alone, each=each), each.about)
            except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
                each.error = error
            store.connection.reset()
            return
        try:
            if carry_out(store, shared):
                return
        except Exception as error:  # noqa: BLE001  # as above
            for each in shared:
                each.error = self._unknown(each.about, error.__cause__) if isinstance(error, LostError) else error
            store.connection.reset()
            return
        rest = [each for each in shared if not each.is_single]
        parts = [rest] if len(rest) < len(shared) else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
        for part in filter(None, parts):
            self._carry_out_together(store, part)

    def _give_back(self, store: Store) -> None:
        store.connection.reset()
        self._idle.put(store)

    def _carry_out(self, store: Store, operation: Operation[Store, T], about: str) -> tuple[T, Notice | None]:
        """
        Carry an operation out, as often as it takes.

        Raises:
            Exception: what it raised, in our words.
        """
        with self._in_our_words(about):
            for left in reversed(range(_TRIES_MAX)):
                try:
                    return operation(store)
                except UndoneError as error:
                    if not left or self._given_up.is_set():
                        cause = error.__cause__
                        assert isinstance(cause, psycopg.Error), "it says what happened"
                        raise cause from None
                except psycopg.Error as error:
                    again = may_go_again(error) or store.connection.is_lost(error)
                    store.connection.reset()
                    store.routes.forget()
                    if not left or not again or self._given_up.is_set():
                        raise
                except LostError as error:
                    store.connection.drop()
                    raise self._unknown(about, error.__cause__) from error
        raise AssertionError("the last try returns or raises")
