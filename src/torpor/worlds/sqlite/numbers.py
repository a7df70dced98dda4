"""Texts that many rows repeat, such as names of workflows, and the numbers that stand for them."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import Final, Generic, TypeVar

from torpor.worlds.sqlite.sound import NonsenseError

K = TypeVar("K")
V = TypeVar("V")

CACHED_MAX: Final = 4096
"""Numbers of one kind that a connection remembers; the others are looked up."""


class Recent(Generic[K, V]):
    """What was looked up last, up to :data:`CACHED_MAX` of it."""

    def __init__(self) -> None:
        self._found: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return what is remembered under *key*."""
        value = self._found.get(key)
        if value is not None:
            self._found.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember *value* under *key*."""
        self._found[key] = value
        if len(self._found) > CACHED_MAX:
            self._found.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()


class Numbers:
    """
    A table whose rows are texts, each under a number ``k`` that other tables have in their place.

    Args:
        db: the connection.
        table: its name.
        columns: its texts; together they are unique.
    """

    def __init__(self, db: sqlite3.Connection, table: str, *columns: str) -> None:
        names = ", ".join(columns)
        places = ", ".join("?" * len(columns))
        self._db = db
        self._table = table
        self._look = f"SELECT k FROM {table} WHERE ({names}) = ({places})"
        self._add = f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING k"
        self._read = f"SELECT {names} FROM {table} WHERE k = ?"
        self._numbers: Recent[tuple[str, ...], int] = Recent()
        self._texts: Recent[int, tuple[str, ...]] = Recent()

    def number(self, *texts: str) -> int:
        """Return the number that stands for *texts*, a new one if need be. Only the writer may call this."""
        number = self._numbers.get(texts)
        if number is None:
            row = self._db.execute(self._look, texts).fetchone() or self._db.execute(self._add, texts).fetchone()
            number = int(row[0])
            self._remember(number, texts)
        return number

    def texts(self, number: int) -> tuple[str, ...]:
        """
        Return what a number stands for.

        Raises:
            NonsenseError: nothing.
        """
        texts = self._texts.get(number)
        if texts is None:
            row = self._db.execute(self._read, (number,)).fetchone()
            if row is None:
                raise NonsenseError(f"it refers to row {number} of table {self._table}, and there is none")
            if not all(isinstance(text, str) for text in row):
                raise NonsenseError(f"row {number} of table {self._table}, which it refers to, holds no texts: {row!r}")
            texts = tuple(row)
            self._remember(number, texts)
        return texts

    def find(self, number: int) -> tuple[str, ...] | None:
        """Return what a number stands for, None for nothing."""
        try:
            return self.texts(number)
        except NonsenseError:
            return None

    def forget(self) -> None:
        """Forget what a transaction that was rolled back may have numbered."""
        self._numbers.clear()
        self._texts.clear()

    def _remember(self, number: int, texts: tuple[str, ...]) -> None:
        self._numbers.put(texts, number)
        self._texts.put(number, texts)
