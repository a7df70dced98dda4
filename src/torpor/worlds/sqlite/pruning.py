"""
What goes from a file: runs that have ended, some rows at a time, and which runs there are to prune.

A table whose rows belong to a run has a column ``run`` with the run's rowid, by which it is found here; a new one needs
nothing else to go with its run. Beside those there are the log, whose keys begin with the rowid, and what belongs to a
stream, which goes with it.
"""

from __future__ import annotations

import heapq
import re
import sqlite3
from typing import Final

import msgspec

from torpor.model import EndedFilter, LongLogs, Run
from torpor.worlds import requests as ask
from torpor.worlds.sqlite import tenants
from torpor.worlds.sqlite.codes import RUN_CODE, RUNTIME_CODE
from torpor.worlds.sqlite.rows import SHIFT
from torpor.worlds.sqlite.schema import MIGRATIONS
from torpor.worlds.sqlite.store import Store

OF_NAMES: Final = frozenset({"resumes", "attributes", "reservations"})
"""Tables with a column ``run`` that a run keeps for its name's sake."""

_OURS: Final = frozenset(re.findall(r"CREATE TABLE (?!new_)(\w+)", "".join(MIGRATIONS)))
_LIVE: Final = f"status IN ({RUN_CODE['pending']}, {RUN_CODE['running']})"
_LINES: Final = (
    "DELETE FROM lines WHERE run = :run AND n IN (SELECT n FROM lines WHERE run = :run ORDER BY n LIMIT :most)"
)
_ENDED: Final = (
    # Workflow by workflow, each a range of the index, so that nothing is sorted.
    "SELECT (SELECT json_group_array(json_array(ended_at, k)) FROM (SELECT ended_at, k FROM runs INDEXED BY runs_ended "
    "WHERE workflow = w.k AND ended_at > 0 AND ended_at >= :since AND ended_at < :before "
    "AND status IN (SELECT value FROM json_each(:statuses)) AND (NOT :whole OR base < head - 1) "
    "ORDER BY ended_at LIMIT :limit)) "
    "FROM workflows w WHERE (:app IS NULL OR w.app = :app) AND (:workflow IS NULL OR w.name = :workflow) "
    "AND w.name NOT IN (SELECT value FROM json_each(:besides))"
)
_LONG: Final = (
    "SELECT r.k FROM workflows w "
    f"CROSS JOIN runs r INDEXED BY runs_listed ON r.workflow = w.k AND r.{_LIVE} "
    "WHERE (:app IS NULL OR w.app = :app) AND (:workflow IS NULL OR w.name = :workflow) "
    "AND w.name NOT IN (SELECT value FROM json_each(:besides)) "
    "AND r.head - r.base >= :kept + :going "
    f"AND (:age = 0 OR (SELECT at FROM events WHERE k = (r.k << {SHIFT} | r.base + :going)) "
    "< (SELECT at FROM snapshots WHERE run = r.k) - :age) "
    f"AND r.runtime = {RUNTIME_CODE['snapshot']} LIMIT :limit"
)


def tables_of_runs(db: sqlite3.Connection) -> list[str]:
    """Return the tables of ours whose rows belong to a run, in the order of their names."""
    query = (
        "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c "
        "WHERE m.type = 'table' AND c.name = 'run' ORDER BY m.name"
    )
    return [str(name) for (name,) in db.execute(query) if name in _OURS]  # the application may have tables here, too


def erase(store: Store, request: ask.Erase) -> bool:
    """Answer :class:`torpor.worlds.requests.Erase`: long lists first, then all else with the run."""
    db, run, left = store.db, request.run, request.rows_max
    k = store.rowid(run.id)
    assert k is not None, "the operation has just read it"
    left -= _drop_chunks(db, k, left)
    if left > 0:
        left -= db.execute(_LINES, {"run": k, "most": left}).rowcount
    if left <= 0:
        return False
    tenants.settle(store, k)
    # Rows of what was open refer to the log, which therefore goes after them.
    for table in tables_of_runs(db):
        if table not in OF_NAMES:
            db.execute(f"DELETE FROM {table} WHERE run = ?", (k,))
    ending = run.head - 1
    base = min(ending, run.base + left)
    if base > run.base:
        db.execute("UPDATE runs SET base = ? WHERE k = ?", (base, k))
        db.execute("DELETE FROM events WHERE k > ? AND k <= ?", (k << SHIFT, k << SHIFT | base))
    if base < ending:
        return False
    if not request.keep_name:
        for table in OF_NAMES:
            db.execute(f"DELETE FROM {table} WHERE run = ?", (k,))
        db.execute("DELETE FROM events WHERE k = ?", (k << SHIFT | run.head,))
        db.execute("DELETE FROM runs WHERE k = ?", (k,))
    return True


def _drop_chunks(db: sqlite3.Connection, k: int, most: int) -> int:
    """Delete the last chunks of a run's streams, which are shorter then; return how many went."""
    left = most
    for stream, count in db.execute("SELECT k, count FROM streams WHERE run = ? AND count > 0", (k,)).fetchall():
        going = min(left, count)
        place = (stream << SHIFT | count - going, (stream + 1) << SHIFT)
        (size,) = db.execute("SELECT ifnull(sum(length(data)), 0) FROM chunks WHERE k >= ? AND k < ?", place).fetchone()
        db.execute("DELETE FROM chunks WHERE k >= ? AND k < ?", place)
        db.execute("UPDATE streams SET count = count - ?, size = max(0, size - ?) WHERE k = ?", (going, size, stream))
        left -= going
        if not left:
            break
    return most - left


def ended_runs(store: Store, where: EndedFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.ended_runs`."""
    asked = {
        "since": where.since,
        "before": where.before,
        "statuses": msgspec.json.encode([RUN_CODE[status] for status in where.statuses]).decode(),
        "whole": where.whole,
        "limit": where.limit,
        "app": where.app,
        "workflow": where.workflow,
        "besides": msgspec.json.encode(where.besides).decode(),
    }
    found: list[tuple[int, int]] = []
    for (of_workflow,) in store.db.execute(_ENDED, asked).fetchall():
        found += msgspec.json.decode(of_workflow, type=list[tuple[int, int]])
    chosen = msgspec.json.encode([k for _, k in heapq.nsmallest(where.limit, found)]).decode()
    return store.runs("WHERE k IN (SELECT value FROM json_each(?)) ORDER BY ended_at, k", chosen)


def long_logs(store: Store, where: LongLogs) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.long_logs`."""
    asked = {
        "app": where.app,
        "workflow": where.workflow,
        "besides": msgspec.json.encode(where.besides).decode(),
        "kept": where.kept,
        "going": where.going,
        "age": where.age_ms,
        "limit": where.limit,
    }
    found = [k for (k,) in store.db.execute(_LONG, asked).fetchall()]
    return store.runs("WHERE k IN (SELECT value FROM json_each(?)) ORDER BY k", msgspec.json.encode(found).decode())
