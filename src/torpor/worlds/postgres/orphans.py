"""
Rows that have outlived what they are about: of runs and streams that are not there, and of what is open in runs that
have ended. Runs that failed or were cancelled keep what was open, as facts; but nobody is to work on it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from torpor.errors import DamagedError
from torpor.worlds.postgres.pruning import OF_NAMES, OF_RUNS
from torpor.worlds.postgres.statements import Row

_TABLES: Final = ("events", "lines", "chunks", *OF_RUNS, *OF_NAMES)
_OPEN: Final = ("steps", "waits", "hooks", "snapshots")


def _lonely(table: str, other: str, join: str, why: str, where: str = "true") -> str:
    """Return a query for rows of a table that have no row of another one."""
    return (
        f"SELECT '{table}', x.run, count(*), '{why}' FROM torpor.{table} x WHERE {where} "
        f"AND NOT EXISTS (SELECT 1 FROM torpor.{other} o WHERE {join}) GROUP BY x.run"
    )


def _outlived(table: str, where: str, why: str) -> str:
    """Return a query for rows of a table whose run is not any more what they take it for."""
    return (
        f"SELECT '{table}', x.run, count(*), '{why}' FROM torpor.{table} x JOIN torpor.runs r ON r.id = x.run "
        f"WHERE {where} GROUP BY x.run"
    )


_LIVE_HOOK: Final = "o.run = x.run AND o.id = x.hook AND o.status = 'live'"
_QUERIES: Final = (
    *(_lonely(table, "runs", "o.id = x.run", "there is no such run, whose they are") for table in _TABLES),
    *(
        _lonely(table, "streams", "o.run = x.run AND o.name = x.stream", "there is no stream of that name")
        for table in ("writers", "chunks")
    ),
    *(
        _lonely(table, "hooks", _LIVE_HOOK, "there is no live hook that they lead to")
        for table in ("tokens", "watchers")
    ),
    *(
        _outlived(table, "r.status = 'completed'", "the run has completed, and nothing of it is open")
        for table in _OPEN
    ),
    _outlived(
        "steps",
        "r.ended_at > 0 AND x.task AND (x.ready_at IS NOT NULL OR x.worker <> '')",
        "they would be worked on, and the run has ended",
    ),
    _outlived("hooks", "r.ended_at > 0 AND x.status = 'live'", "they are live, and the run has ended"),
)
QUERY: Final = " UNION ALL ".join(_QUERIES)
"""Finds table, run, number of rows and what is wrong."""


def orphans(rows: Sequence[Row]) -> list[DamagedError]:
    """Return what :data:`QUERY` has found."""
    return [DamagedError(f"{count} rows of table {table}", why, run_id=run) for table, run, count, why in rows]
