"""Damaging one value of a database: whatever its table says, as a page that went bad may hold anything."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

KEYS: Final = {
    "runs": ("k",),
    "events": ("k",),
    "lines": ("run", "n"),
    "snapshots": ("run",),
    "steps": ("run", "id"),
    "waits": ("run", "id"),
    "hooks": ("run", "id"),
    "resumes": ("run", "token", "resume_id"),
    "reservations": ("token",),
    "streams": ("k",),
    "writers": ("k",),
    "chunks": ("k",),
    "attributes": ("name", "value", "run"),
    "labels": ("k",),
    "workflows": ("k",),
    "routes": ("k",),
    "kinds": ("k",),
    "workers": ("id",),
    "deployments": ("k",),
    "blobs": ("key",),
    "schedules": ("app", "name"),
    "lanes": ("k",),
    "queues": ("app", "name"),
    "tenants": ("name",),
    "usages": ("run",),
}
"""The tables, and what tells their rows apart."""

_OF_RUN: Final = {
    "runs": "k = ?1",
    "events": "k >> 32 = ?1",
    **dict.fromkeys(
        ("lines", "snapshots", "steps", "waits", "hooks", "resumes", "reservations", "streams", "attributes"),
        "run = ?1",
    ),
    "writers": "stream IN (SELECT k FROM streams WHERE run = ?1)",
    "chunks": "k >> 32 IN (SELECT k FROM streams WHERE run = ?1)",
}
SHARED: Final = tuple(table for table in KEYS if table not in _OF_RUN)
"""Tables whose rows belong to no run alone."""

_ANYTHING: Final = (
    "value",
    "id",
    "resume_id",
    "parent",
    "root",
    "text",
    "level",
    "name",
    "ref",
    "token",
    "takes",
    "metadata",
    "snoozed",
    "error_code",
)
"""Columns whose texts may be as long as you like."""

Value = int | str | bytes | None


def _huge(old: Value, _: random.Random) -> Value:
    if isinstance(old, str):
        return old + "x" * 100_000
    return old + bytes(100_000) if isinstance(old, bytes) else 1 << 62


def _negative(old: Value, _: random.Random) -> Value:
    return old if isinstance(old, str | bytes) else -5


def _of_another_type(old: Value, _: random.Random) -> Value:
    if isinstance(old, bytes):
        return 7
    return b"\xff\x00\x01" if isinstance(old, str) else "nonsense"


def _truncated(old: Value, _: random.Random) -> Value:
    return old[: len(old) // 2] if isinstance(old, str | bytes) else old


def _nothing(_old: Value, _: random.Random) -> Value:
    return None


def _flipped(old: Value, dice: random.Random) -> Value:
    if old is None or isinstance(old, int):
        return (old or 0) ^ (1 << dice.randrange(40))
    data = bytearray(old if isinstance(old, bytes) else old.encode())
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data) if isinstance(old, bytes) else data.decode("utf-8", "replace")


def _other(old: Value, dice: random.Random) -> Value:
    if isinstance(old, str):
        return dice.randbytes(8).hex()
    return dice.randbytes(len(old)) if isinstance(old, bytes) else dice.randrange(1 << 31)


def _near(old: Value, dice: random.Random) -> Value:
    return old if isinstance(old, str | bytes) else max(0, (old or 0) + dice.choice((-1, 1)))


SENSELESS: Final[tuple[Callable[[Value, random.Random], Value], ...]] = (_huge, _negative, _of_another_type, _nothing)
"""What makes of a number or a text what no version stores, where a column has room for it."""

ANY: Final = (*SENSELESS, _truncated, _flipped, _other, _near)
"""Further what may make something else that makes sense: a bit that flips, another value, that of another run."""


def columns(file: Path, table: str) -> list[str]:
    """Return the columns of a table."""
    with closing(sqlite3.connect(file)) as db:
        return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


class Damage(NamedTuple):
    """
    What was done.

    Attributes:
        told: row and value before and after, in words; ``""`` when nothing was done, which a key did not admit.
        makes_sense: whether the value might be true.
    """

    told: str
    makes_sense: bool


NONE: Final = Damage("", makes_sense=True)


def damage(file: Path, table: str, run_id: str, dice: random.Random) -> Damage:
    """Damage one value in a table, of a row of the run where rows have one."""
    column = dice.choice(columns(file, table))
    how = dice.choice(ANY)
    key = KEYS[table]
    with closing(sqlite3.connect(file)) as db:
        (k,) = db.execute("SELECT k FROM runs WHERE id = ?", (run_id,)).fetchone()
        where, about = (_OF_RUN[table], (k,)) if table in _OF_RUN else ("1", ())
        found = db.execute(f"SELECT {', '.join(key)} FROM {table} WHERE {where}", about).fetchall()  # noqa: S608  # ours
        if not found:
            return NONE
        row = dice.choice(found)
        its = " AND ".join(f"{name} = ?" for name in key)
        (old,) = db.execute(f"SELECT {column} FROM {table} WHERE {its}", row).fetchone()  # noqa: S608
    new = how(old, dice)
    if new == old:
        return NONE
    laws = _set_laws(file, _lawless)
    try:
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(f"UPDATE {table} SET {column} = ? WHERE {its}", (new, *row))  # noqa: S608
    except sqlite3.IntegrityError:
        return NONE
    finally:
        _set_laws(file, lambda sql: laws.get(sql, sql))
    told = f"{table}.{column} of {row}, {how.__name__[1:]}: {old!r:.60} → {new!r:.60}"
    return Damage(told, makes_sense=how not in SENSELESS or column in _ANYTHING)


def _lawless(sql: str) -> str:
    """Return a table's definition without what it forbids."""
    return sql.replace(" NOT NULL", "").replace(") STRICT, W", ") W").replace(") STRICT", ")")


def _set_laws(file: Path, changed: Callable[[str], str]) -> dict[str, str]:
    """Change what tables say of their columns, and return what each says now: what it said before."""
    before: dict[str, str] = {}
    with closing(sqlite3.connect(file)) as db:
        (version,) = db.execute("PRAGMA schema_version").fetchone()
        tables = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql <> ''").fetchall()
        db.execute("PRAGMA writable_schema = ON")
        for name, sql in tables:
            before[changed(sql)] = sql
            db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (changed(sql), name))
        db.execute(f"PRAGMA schema_version = {version + 1}")
        db.commit()
    return before
