"""SQLite's errors in our words: the one place where they are translated."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import Final

from torpor.errors import DamagedError, WorldError

_PRIMARY: Final = 0xFF  # an extended result code carries its primary one in the low byte

_ADVICE: Final = {
    sqlite3.SQLITE_BUSY_SNAPSHOT: (
        "others have written since this transaction has read; begin it with BEGIN IMMEDIATE (Django: "
        'OPTIONS={"transaction_mode": "IMMEDIATE"})'
    ),
    sqlite3.SQLITE_BUSY: "another process kept the file locked for too long; try again, or raise busy_timeout_ms",
    sqlite3.SQLITE_LOCKED: "another connection kept a table locked; try again",
    sqlite3.SQLITE_FULL: "the disk is full; make room and try again",
    sqlite3.SQLITE_IOERR: "the disk did not do as told; check it, then try again",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; make both writable",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that its folder exists and is writable",
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged there; other runs go on. Stop the workers, keep a copy, and restore a backup or rebuild "
        "it with `sqlite3 FILE .recover`"
    ),
    sqlite3.SQLITE_NOTADB: "the file is damaged at its beginning; restore a backup",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite stores; keep large data elsewhere and pass references",
}

_NO_DESCRIPTORS: Final = (
    "the process has no file descriptors left; close files or connections that it does not need, or raise its limit "
    "(`ulimit -n`)"
)
_SHORT: Final = (errno.EMFILE, errno.ENFILE)
_MAY_LACK_DESCRIPTORS: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR)


def failure_of(error: Exception, url: str, about: str) -> Exception:
    """Return what to raise for whatever an operation raised; see :func:`world_error`."""
    if isinstance(error, sqlite3.Error):
        return world_error(error, url, about)
    if isinstance(error, DamagedError):
        return DamagedError(error.row, error.problem, run_id=error.run_id, about=_where(url, about))
    if isinstance(error, OverflowError):  # what can be stored leads to nothing that cannot be, unless it was damaged
        return DamagedError(
            "a number", f"a file has no room for what follows from it ({error})", about=_where(url, about)
        )
    return error


def world_error(error: sqlite3.Error, url: str, about: str) -> WorldError:
    """
    Return what to raise for *error*; raise it ``from`` the original.

    Args:
        error: what SQLite said.
        url: of the world.
        about: what was being done to what, such as ``commit of run wrun_01J…``.
    """
    extended = getattr(error, "sqlite_errorcode", 0)  # errors of the Python module itself have none
    code = extended & _PRIMARY
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    advice = _ADVICE.get(extended) or _ADVICE.get(code, "this is not expected; please report it")
    if code in _MAY_LACK_DESCRIPTORS and _descriptors_are_short():
        advice = _NO_DESCRIPTORS
    return WorldError(f"{_where(url, about)}: {error} ({name}): {advice}")


def is_undecodable(error: Exception) -> bool:
    """Return whether SQLite's module met a text that is no UTF-8, which only damage makes."""
    return isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error)


def decode_damaged(text: bytes) -> str:
    """Return a text as well as it can be read."""
    return text.decode("utf-8", "replace")


def _where(url: str, about: str) -> str:
    return f"{about} failed in world {url}, and nothing of it was stored"


def _descriptors_are_short() -> bool:
    """Return whether no file can be opened, which SQLite tells like a file that is not there."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in _SHORT
    return False
