"""In which condition a file is: how it is kept, what it lies on, and how much room there is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from torpor.worlds.condition import Condition, condition, size_text
from torpor.worlds.sqlite.faults import world_error
from torpor.worlds.sqlite.url import Settings, parse

_SHARED: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph", "afs"}
)
"""File systems behind a network: locks there are not what SQLite takes them for, and memory is not shared at all."""

_FLEETING: Final = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems that go with the machine's memory, or with a container."""

_FREE_LEAST: Final = 64 * 1024 * 1024
_FREE_NOTED: Final = 1024 * 1024 * 1024
_LOG_NOTED: Final = 256 * 1024 * 1024
_UNUSED_NOTED: Final = 0.5
_UNUSED_BYTES_NOTED: Final = 64 * 1024 * 1024
_MOUNTS: Final = Path("/proc/self/mounts")


def look(url: str) -> list[Condition]:
    """
    Answer :func:`torpor.worlds.conditions.conditions`.

    Raises:
        WorldError: SQLite failed.
    """
    settings = parse(url)
    path = Path(settings.path).absolute()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            return [_settings(db, settings), _place(path), _size(db, path)]
    except sqlite3.Error as error:
        raise world_error(error, url, "looking at the file") from error


def _settings(db: sqlite3.Connection, settings: Settings) -> Condition:
    [(journal,)] = db.execute("PRAGMA journal_mode").fetchall()
    facts = {"journal_mode": journal, "synchronous": settings.synchronous, "busy_timeout_ms": settings.busy_timeout_ms}
    failed = [] if journal == "wal" else [f"its journal mode is {journal} and not WAL; let torpor open it once"]
    notes = []
    if settings.synchronous != "full":
        notes.append(f"synchronous={settings.synchronous}: a power failure may undo the newest commits")
    return condition(
        "settings", f"write-ahead log, synchronous={settings.synchronous}", facts, failed=failed, notes=notes
    )


def _place(path: Path) -> Condition:
    kind = file_system(path)
    free = shutil.disk_usage(path.parent).free
    size = path.stat().st_size
    facts = {"path": str(path), "file_system": kind, "free_bytes": free, "writable": os.access(path, os.W_OK)}
    failed, notes = [], []
    if not facts["writable"]:
        failed.append(f"{path} may not be written to by this user")
    if kind in _SHARED:
        failed.append(
            f"it lies on {kind}, which workers of several machines must not share; use Postgres, or a local disk"
        )
    if kind in _FLEETING:
        notes.append(f"it lies on {kind} and goes with it; put it on a volume that stays")
    if free < _FREE_LEAST:
        failed.append(f"only {size_text(free)} are free there")
    elif free < max(_FREE_NOTED, size):
        notes.append(f"{size_text(free)} are free there; a backup or VACUUM of the file takes {size_text(size)}")
    good = f"{kind or 'a file system'} with {size_text(free)} free"
    return condition("place", good, facts, failed=failed, notes=notes)


def _size(db: sqlite3.Connection, path: Path) -> Condition:
    numbers = {}
    for name in ("page_size", "page_count", "freelist_count"):
        [(numbers[name],)] = db.execute(f"PRAGMA {name}").fetchall()
    size, unused = (numbers["page_size"] * numbers[name] for name in ("page_count", "freelist_count"))
    log = path.with_name(path.name + "-wal")
    log_size = log.stat().st_size if log.exists() else 0
    rows = {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("runs", "snapshots")}
    facts = {"bytes": size, "unused_bytes": unused, "log_bytes": log_size, **rows}
    notes = []
    if unused > max(_UNUSED_BYTES_NOTED, size * _UNUSED_NOTED):
        notes.append(
            f"{size_text(unused)} of {size_text(size)} are free pages, which new rows will take; VACUUM gives them "
            "back while no worker is at work"
        )
    if log_size > _LOG_NOTED:
        notes.append(f"its write-ahead log has {size_text(log_size)}: something has been reading for long")
    good = f"{size_text(size)}, {size_text(unused)} of it unused; {rows['runs']} runs, {rows['snapshots']} snapshots"
    return condition("size", good, facts, failed=[], notes=notes)


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of the file system that a file lies on, ``""`` where the system does not tell."""
    if not mounts.exists():
        return ""
    kind, longest = "", -1
    real = str(path.resolve())
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, where, its, *_ = line.split(" ")
        where = where.replace("\\040", " ").rstrip("/")
        if (real == where or real.startswith(f"{where}/")) and len(where) >= longest:
            kind, longest = its, len(where)
    return kind
