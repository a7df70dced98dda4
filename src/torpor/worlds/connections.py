"""The driver's connection beneath what SQLAlchemy and Django have around it; neither is imported here."""

from __future__ import annotations

from typing import Any

from torpor.calling_thread import in_calling_thread
from torpor.errors import TransactionError

_BEGINNING = "SELECT 1"
"""Lets SQLAlchemy begin its transaction, which it does with the first statement."""


async def driver_connection(given: Any) -> Any:
    """
    Return the connection that a driver has, on which the transaction is open that *given* stands for.

    Args:
        given: a driver's connection; a Session, AsyncSession, Connection or AsyncConnection of SQLAlchemy; a connection
            of Django.

    Raises:
        TransactionError: Django has no transaction open.
    """
    if _is_of(given, "sqlalchemy"):
        return await _of_sqlalchemy(given)
    if _is_of(given, "django"):
        return await in_calling_thread(lambda: _of_django(given))
    return given


def _is_of(given: object, package: str) -> bool:
    return any(base.__module__.partition(".")[0] == package for base in type(given).__mro__)


async def _of_sqlalchemy(given: Any) -> Any:
    if hasattr(given, "registry"):  # a scoped session stands for the one of this thread or task
        given = given()
    if hasattr(given, "get_raw_connection"):  # an AsyncConnection
        await given.exec_driver_sql(_BEGINNING)
        return (await given.get_raw_connection()).driver_connection
    if hasattr(given, "sync_session"):  # an AsyncSession
        return await _of_sqlalchemy(await given.connection())

    def of_thread() -> Any:
        connection = given.connection() if callable(given.connection) else given  # a Session has one
        connection.exec_driver_sql(_BEGINNING)
        return connection.connection.driver_connection

    return await in_calling_thread(of_thread)


def _of_django(given: Any) -> Any:
    if not given.in_atomic_block:
        raise TransactionError("Django has no transaction open on this connection; do this inside transaction.atomic()")
    return given.connection
