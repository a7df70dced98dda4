"""A world in Postgres within a transaction on a connection of the application's to the same database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from torpor.errors import TransactionError
from torpor.model import Notice
from torpor.world import World
from torpor.worlds.connections import driver_connection
from torpor.worlds.notices import kinds_of
from torpor.worlds.postgres.answers import converse_within
from torpor.worlds.postgres.borrowed import Borrowed, Link, link_to
from torpor.worlds.postgres.faults import failure_of
from torpor.worlds.postgres.listening import TELL
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.wire import Wire
from torpor.worlds.requests import Conversation
from torpor.worlds.server_times import Times
from torpor.worlds.tables import Tables
from torpor.worlds.within import WorldWithin

R = TypeVar("R")
IsAt = Callable[[tuple[object, ...]], Awaitable[bool]]

_ORIGIN: Final = "transaction"
"""Of notifications that all worlds hear, also the one that the change was made through: it is not there yet."""

_WHICH: Final = (
    "SELECT current_database()::text, to_regclass('torpor.runs')::oid::bigint, "
    "floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint"
)


def which(store: Store) -> tuple[object, ...]:
    """Return what tells a database from others."""
    [row] = store.connection.rows(_WHICH)
    return row


class PostgresWithin(WorldWithin[Store, Times]):
    """
    See :class:`torpor.worlds.within.WorldWithin`.

    Args:
        outer: the world.
        tables, times: as it has them.
        link: leads to the connection.
    """

    def __init__(self, outer: World, tables: Tables[Store, Times], times: Times, link: Link) -> None:
        super().__init__(outer, tables, times, Store(Borrowed(link), outer.url))
        self._link = link

    async def check(self, is_at: IsAt) -> None:
        """
        Check that the connection leads to the world's database.

        Raises:
            TransactionError: it does not.
        """
        here = await self._read(which, "look at the connection")
        if not await is_at(here):
            raise TransactionError(
                f"world {self._url} is in another database than the connection, which leads to {here[0]!r}; both have "
                "to be of one server and of one database"
            )

    async def _carry_out(self, work: Callable[[], R], about: str) -> R:
        def whole() -> R:
            with self._store.transaction():
                return work()

        try:
            return await self._link.carry_out(whole)
        except Exception as error:
            failure = failure_of(error, self._url, about)
            if failure is not error:
                raise failure from error
            raise

    def _tell(self, notice: Notice) -> None:
        if kinds := kinds_of(notice):
            self._store.connection.rows(TELL, " ".join([_ORIGIN, *sorted(kinds)]))

    def _converse(self, store: Store, conversation: Conversation[R]) -> R:
        return converse_within(store, conversation)


async def within(
    outer: World,
    tables: Tables[Store, Times],
    times: Times,
    is_at: IsAt,
    given: object,
    wire_of: Callable[[object], Wire | None],
) -> World:
    """
    Answer :meth:`torpor.world.Transactions.within`.

    Args:
        outer: the world.
        tables, times: as it has them.
        is_at: tells whether it is in a database, by what :func:`which` says.
        given: the connection, or what is around it.
        wire_of: returns the wire over a connection that the world has made, None for others.

    Raises:
        TransactionError: it is of no driver that is known, leads to another database, or nothing is open on it.
    """
    db = await driver_connection(given)
    wire = wire_of(db)
    found = PostgresWithin(outer, tables, times, link_to(db, outer.url, wire))
    if wire is None:
        await found.check(is_at)
    return found
