"""Looking through a whole database for logs and rows that make no sense; types and uniqueness are Postgres' to keep."""

from __future__ import annotations

from typing import Final

from torpor.errors import DamagedError
from torpor.worlds.postgres.pruning import OF_NAMES, OF_RUNS
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.times import Times

FINDINGS_MAX: Final = 1_000
"""Whoever finds more than this restores a backup."""

_LOGS: Final = (
    "SELECT r.id, r.base, r.head, count(e.seq), coalesce(min(e.seq), r.base + 1), coalesce(max(e.seq), r.base) "
    "FROM torpor.runs r LEFT JOIN torpor.events e ON e.run = r.id GROUP BY r.id "
    "HAVING count(e.seq) <> r.head - r.base OR coalesce(min(e.seq), r.base + 1) <> r.base + 1 "
    "OR coalesce(max(e.seq), r.base) <> r.head ORDER BY r.id LIMIT %s"
)
_TURNS: Final = (
    "SELECT r.id FROM torpor.runs r LEFT JOIN torpor.turns t ON t.run = r.id WHERE (t.run IS NULL) <> (r.ended_at > 0) "
    "OR (t.ready_at, t.queued_at, t.worker, t.slot) IS DISTINCT FROM (r.ready_at, r.queued_at, r.worker, r.slot) "
    "AND r.ended_at = 0 ORDER BY r.id LIMIT %s"
)


def damaged(store: Store, _times: Times) -> list[DamagedError]:
    """Answer :meth:`torpor.world.Queries.damaged`."""
    tables = ("events", "lines", "chunks", *OF_RUNS, *OF_NAMES)
    astray = " UNION ALL ".join(
        f"SELECT '{table}', t.run, count(*) FROM torpor.{table} t "
        "WHERE NOT EXISTS (SELECT 1 FROM torpor.runs r WHERE r.id = t.run) GROUP BY t.run"
        for table in tables
    )
    logs, turns, strays = store.connection.ask_of_one_moment(
        (_LOGS, (FINDINGS_MAX,)), (_TURNS, (FINDINGS_MAX,)), (astray, ())
    )
    found = [
        DamagedError(
            "the log", f"it has {count} events from {first} to {last}; it goes from {base + 1} to {head}", run_id=run
        )
        for run, base, head, count, first, last in logs
    ]
    found += [
        DamagedError("a row of table turns", "it is not what the run says of its turn", run_id=run) for (run,) in turns
    ]
    found += [
        DamagedError(f"{count} rows of table {table}", f"there is no run {run}, whose they are")
        for table, run, count in strays
    ]
    return found[:FINDINGS_MAX]
