"""Looking through a whole database for logs and rows that make no sense; types and uniqueness are Postgres' to keep."""

from __future__ import annotations

from typing import Final

from torpor.errors import DamagedError
from torpor.worlds.postgres import orphans
from torpor.worlds.postgres.store import Store
from torpor.worlds.server_times import Times

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
    logs, turns, lonely = store.connection.ask_of_one_moment(
        (_LOGS, (FINDINGS_MAX,)), (_TURNS, (FINDINGS_MAX,)), (orphans.QUERY, ())
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
    found += orphans.orphans(lonely)
    return found[:FINDINGS_MAX]
