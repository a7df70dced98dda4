"""SQLite's errors in our words: the one place where they are translated."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import Final

from torpor.errors import WorldError

_PRIMARY: Final = 0xFF  # an extended result code carries its primary one in the low byte

_ADVICE: Final = {
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


def world_error(error: sqlite3.Error, url: str, about: str) -> WorldError:
    """
    Return what to raise for *error*; raise it ``from`` the original.

    Args:
        error: what SQLite said.
        url: of the world.
        about: what was being done to what, such as ``commit of run wrun_01J…``.
    """
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY  # errors of the Python module itself have none
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    advice = _ADVICE.get(code, "this is not expected; please report it")
    if code in _MAY_LACK_DESCRIPTORS and _descriptors_are_short():
        advice = _NO_DESCRIPTORS
    return WorldError(f"{about} failed in world {url}, and nothing of it was stored: {error} ({name}): {advice}")


def _descriptors_are_short() -> bool:
    """Return whether no file can be opened, which SQLite tells like a file that is not there."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in _SHORT
    return False
