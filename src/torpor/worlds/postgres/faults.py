"""The driver's errors: what they mean for an operation, and how they are told; the one place where they are
translated."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from torpor.errors import ConfigurationError, DamagedError, WorldError

_AGAIN: Final = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)
"""Somebody else was at the same rows: nothing was stored, and a second look sees what he did."""

_ENDING: Final = (errors.AdminShutdown, errors.CannotConnectNow, errors.TooManyConnections, errors.IdleSessionTimeout)
"""The server ends the session, maybe behind a COMMIT that it has not confirmed, or lets nobody in for now."""

_ADVICE: Final[tuple[tuple[tuple[type[psycopg.Error], ...], str], ...]] = (
    ((errors.InsufficientPrivilege,), "give the role its rights: docs/postgres.md says which"),
    ((errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded), "the server lacks room; see to it"),
    ((errors.TooManyConnections,), "raise max_connections, or lower connections= in the URL"),
    (
        (errors.DuplicatePreparedStatement, errors.InvalidSqlStatementName),
        "a pooler in transaction mode is in between; add prepare=off to the URL",
    ),
    ((errors.ReadOnlySqlTransaction,), "this is a standby; name the primary"),
    ((errors.ProgramLimitExceeded,), "a value is larger than Postgres stores; keep large data elsewhere"),
    ((errors.DataCorrupted, errors.IndexCorrupted), "the database is damaged there; restore a backup"),
    ((errors.UndefinedTable, errors.UndefinedColumn), "its schema is not ours, or not whole; restore it from a backup"),
    ((psycopg.OperationalError, psycopg.InterfaceError), "see whether the server runs and can be reached; try again"),
)
_REFUSED: Final = ("does not exist", "authentication failed", "no pg_hba.conf entry", "no password supplied")
"""What a server says that will not let anybody in; who is not let in gets no code with it."""


def may_go_again(error: psycopg.Error) -> bool:
    """Return whether an operation is to be carried out again at once, since somebody else was in its way."""
    return isinstance(error, _AGAIN)


def is_lost(error: BaseException | None, db: psycopg.Connection | None) -> bool:
    """Return whether an error means that the connection is gone, or that none could be made for now."""
    if not isinstance(error, psycopg.Error):
        return False
    if isinstance(error, _ENDING) or db is None or db.closed or db.broken:
        return is_passing(error)
    return False


def is_passing(error: psycopg.Error) -> bool:
    """Return whether a connection that was refused may be had later."""
    is_of_connecting = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return not (is_of_connecting and any(said in str(error) for said in _REFUSED))


def constraint_of(error: psycopg.Error) -> str | None:
    """Return the name of the constraint that was violated, also where another driver has told of it."""
    return error.diag.constraint_name or getattr(error, "constraint", None)


def failure_of(error: Exception, url: str, about: str) -> Exception:
    """
    Return what to raise for whatever an operation raised; raise it ``from`` the original.

    Args:
        error: what was raised.
        url: of the world, without its password.
        about: what was being done to what, such as ``commit of run wrun_01J…``.
    """
    if isinstance(error, DamagedError):
        return DamagedError(error.row, error.problem, run_id=error.run_id, about=_where(url, about))
    if isinstance(error, psycopg.Error):
        said = " ".join(str(error).split())
        if not is_passing(error):
            return ConfigurationError(f"{_where(url, about)}: {said}; check user, password and database in its URL")
        advice = next(
            (advice for kinds, advice in _ADVICE if isinstance(error, kinds)), "this is not expected; please report it"
        )
        return WorldError(f"{_where(url, about)}: {said} ({type(error).__name__}): {advice}")
    return error


def _where(url: str, about: str) -> str:
    return f"{about} failed in world {url}, and nothing of it was stored"
