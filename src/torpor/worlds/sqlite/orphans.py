"""
Rows that have outlived what they are about: of runs and streams that are not there, and of what is open in runs that
have ended. Runs that failed or were cancelled keep what was open, as facts; but nobody is to work on it any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torpor.errors import DamagedError
from torpor.worlds.sqlite.codes import HOOK_CODE, RUN_CODE
from torpor.worlds.sqlite.rows import SHIFT
from torpor.worlds.sqlite.store import Store

_OF_RUNS: Final = (
    "steps", "waits", "hooks", "snapshots", "lines", "resumes", "streams", "reservations", "attributes",
)  # fmt: skip
_OF_STREAMS: Final = (("writers", "stream"), ("chunks", f"k >> {SHIFT}"))
_OPEN: Final = ("steps", "waits", "hooks", "snapshots")
_AT_WORK: Final = (
    ("steps", "x.task AND (x.ready_at IS NOT NULL OR x.worker IS NOT NULL)", "would be worked on"),
    ("hooks", f"x.status = {HOOK_CODE['live']}", "are live"),
)
_ENDED: Final = ", ".join(str(RUN_CODE[status]) for status in ("completed", "failed", "cancelled"))


def orphans(store: Store) -> Iterator[DamagedError]:
    """Yield what is found, for each table and run."""
    for table in _OF_RUNS:
        query = f"SELECT run, count(*) FROM {table} WHERE run NOT IN (SELECT k FROM runs) GROUP BY run"
        for k, count in store.db.execute(query).fetchall():
            yield DamagedError(f"{count} of table {table}", f"there is no run number {k}, whose they are")
    for table, column in _OF_STREAMS:
        query = f"SELECT {column}, count(*) FROM {table} WHERE {column} NOT IN (SELECT k FROM streams) GROUP BY 1"
        for k, count in store.db.execute(query).fetchall():
            yield DamagedError(f"{count} of table {table}", f"there is no stream number {k}, whose they are")
    for table in _OPEN:
        why = "the run has completed, and nothing of it is open"
        yield from _of_runs(store, table, f"r.status = {RUN_CODE['completed']}", why)
    for table, where, what in _AT_WORK:
        yield from _of_runs(store, table, f"r.status IN ({_ENDED}) AND {where}", f"they {what}, and the run has ended")


def _of_runs(store: Store, table: str, where: str, why: str) -> Iterator[DamagedError]:
    query = f"SELECT r.k, count(*) FROM {table} x JOIN runs r ON r.k = x.run WHERE {where} GROUP BY r.k"
    for k, count in store.db.execute(query).fetchall():
        yield DamagedError(f"{count} of table {table}", why, run_id=store.name_at(k))
