"""A connection with what every operation needs, and how rows become values."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from torpor.model import Event, Run
from torpor.worlds import refusals
from torpor.worlds.sqlite.codes import EVENT_TYPES, RUN_STATUSES, RUNTIMES

SHIFT: Final = 32
"""A run's entry number n is stored under the key ``run << SHIFT | n``."""

_MASK: Final = (1 << SHIFT) - 1
_EVENT_COLUMNS: Final = f"e.type, e.at, e.id, e.k & {_MASK}, e.op, e.digest, e.name, e.attempt, e.due, e.ref, e.payload"
_RUN_COLUMNS: Final = (
    "id, workflow, program, guest, runtime, status, seed, created_at, started_at, ended_at, error_code, head, ops, "
    "logs, epoch"
)

EVENTS: Final = f"SELECT {_EVENT_COLUMNS} FROM events e WHERE e.k > ? AND e.k < ?"
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

    def run(self, run_id: str) -> Run:
        """
        Return a run as it stands.

        Raises:
            RunNotFoundError: no such run.
        """
        row = self.db.execute(f"{RUNS} WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            raise refusals.run_not_found(run_id, self.url)
        return self.run_of(row)

    def run_of(self, row: Row) -> Run:
        """Return the value of a row of :data:`RUNS`."""
        run_id, workflow, program, guest, runtime, status, *rest = row
        return Run(
            run_id,
            self.text_of(workflow),
            self.text_of(program),
            self.text_of(guest),
            RUNTIMES[runtime],
            RUN_STATUSES[status],
            *rest,
        )

    def events(self, key: int, after: int, more: str = "", *values: object) -> list[Event]:
        """Return the events of the run with this key after seq *after*; *more* is SQL that goes on with the query."""
        low = key << SHIFT
        rows = self.db.execute(f"{EVENTS} {more}", (low + after, low + (1 << SHIFT), *values))
        return [event_of(row) for row in rows]

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


def event_of(row: Row) -> Event:
    """Return the value of a row of :data:`EVENTS`."""
    return Event(EVENT_TYPES[row[0]], *row[1:])
