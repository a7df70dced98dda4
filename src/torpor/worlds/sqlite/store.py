"""A connection with what every operation needs, and how rows become values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from torpor.model import Event, Run
from torpor.worlds import refusals
from torpor.worlds.sqlite.codes import EVENT_TYPES, INPUT_CODES, RUN_STATUSES, RUNTIMES

SHIFT: Final = 32
"""A run's entry number n is stored under the key ``run << SHIFT | n``."""

_MASK: Final = (1 << SHIFT) - 1
_EVENT_COLUMNS: Final = f"type, at, id, k & {_MASK}, op, digest, name, attempt, due, ref, payload"
_RUN_COLUMNS: Final = (
    "k, id, workflow, program, guest, runtime, status, seed, created_at, started_at, ended_at, error_code, head, ops, "
    "logs, epoch, parent, root, key, public"
)

_NO_LIMIT: Final = -1
_LOG: Final = f"SELECT {_EVENT_COLUMNS} FROM events WHERE k > ? AND k < ? ORDER BY k LIMIT ?"
_INPUTS: Final = f"SELECT {_EVENT_COLUMNS} FROM events WHERE k > ? AND k < ? AND type IN ({INPUT_CODES}) ORDER BY k"
RUNS: Final = f"SELECT {_RUN_COLUMNS} FROM runs"

Row = tuple[Any, ...]


class Store:
    """
    One connection, used by one thread.

    Attributes:
        db: in autocommit mode; whoever runs an operation brackets it with a transaction.
        url: of the world, for messages.
    """

    def __init__(self, db: sqlite3.Connection, url: str) -> None:
        self.db = db
        self.url = url
        self._labels: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def key_of(self, run_id: str) -> int:
        """
        Return a run's key.

        Raises:
            RunNotFoundError: no such run.
        """
        row = self.db.execute("SELECT k FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise refusals.run_not_found(run_id, self.url)
        return int(row[0])

    def run(self, run_id: str) -> tuple[int, Run]:
        """
        Return a run's key, and the run as it stands.

        Raises:
            RunNotFoundError: no such run.
        """
        row = self.db.execute(f"{RUNS} WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise refusals.run_not_found(run_id, self.url)
        return row[0], self.run_of(row)

    def run_of(self, row: Row) -> Run:
        """Return the value of a row of :data:`RUNS`."""
        _, run_id, workflow, program, guest, runtime, status, *rest = row
        return Run(
            run_id,
            self.text_of(workflow),
            self.text_of(program),
            self.text_of(guest),
            RUNTIMES[runtime],
            RUN_STATUSES[status],
            *rest,
        )

    def events(self, key: int, after: int, *, limit: int | None = None) -> list[Event]:
        """Return the log of the run with this key after seq *after*."""
        low = key << SHIFT
        most = _NO_LIMIT if limit is None else limit
        return events_of(self.db.execute(_LOG, (low + after, low + (1 << SHIFT), most)))

    def inputs(self, key: int, after: int) -> list[Event]:
        """Return the inputs in the log of the run with this key after seq *after*."""
        low = key << SHIFT
        return events_of(self.db.execute(_INPUTS, (low + after, low + (1 << SHIFT))))

    def label(self, text: str) -> int:
        """Return the number that stands for *text*, a new one if need be. Only the writer may call this."""
        key = self._labels.get(text)
        if key is None:
            row = self.db.execute("SELECT k FROM labels WHERE text = ?", (text,)).fetchone()
            if row is None:
                row = self.db.execute("INSERT INTO labels (text) VALUES (?) RETURNING k", (text,)).fetchone()
            key = self._labels[text] = int(row[0])
        return key

    def text_of(self, label: int) -> str:
        """Return the text that *label* stands for."""
        text = self._texts.get(label)
        if text is None:
            (text,) = self.db.execute("SELECT text FROM labels WHERE k = ?", (label,)).fetchone()
            self._texts[label] = text
        return text

    def forget_labels(self) -> None:
        """Forget what a transaction that was rolled back may have numbered."""
        self._labels.clear()
        self._texts.clear()


def events_of(rows: Iterable[Row]) -> list[Event]:
    """Return the values of rows whose columns are an event's fields."""
    return [  # each field by name: three times as quick as a star, and long logs are read here
        Event(EVENT_TYPES[code], at, about, seq, op, digest, name, attempt, due, ref, payload)
        for code, at, about, seq, op, digest, name, attempt, due, ref, payload in rows
    ]
