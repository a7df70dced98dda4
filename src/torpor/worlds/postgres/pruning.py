"""What goes from a database: runs that have ended, some rows at a time, and which runs there are to prune."""

from __future__ import annotations

from typing import Final

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import EndedFilter, LongLogs, Run
from torpor.worlds import requests as ask
from torpor.worlds.postgres import tenants
from torpor.worlds.postgres.store import Store

OF_NAMES: Final = ("resumes", "attributes", "reservations")
"""Tables whose rows a run keeps for its name's sake."""

OF_RUNS: Final = ("hooks", "snapshots", "steps", "streams", "tokens", "waits", "watchers", "writers")
"""The other tables whose rows belong to a run, but for those of which it may have very many."""

_CHUNKS: Final = (
    "WITH gone AS (DELETE FROM torpor.chunks WHERE (run, stream, index) IN (SELECT run, stream, index "
    "FROM torpor.chunks WHERE run = %s ORDER BY stream, index DESC LIMIT %s) RETURNING stream, length(data) AS size), "
    "sums AS (SELECT stream, count(*) AS chunks, sum(size) AS size FROM gone GROUP BY stream), "
    "shorter AS (UPDATE torpor.streams s SET count = s.count - sums.chunks, size = s.size - sums.size FROM sums "
    "WHERE s.run = %s AND s.name = sums.stream) SELECT count(*) FROM gone"
)
_LINES: Final = (
    "WITH gone AS (DELETE FROM torpor.lines WHERE run = %s AND n IN (SELECT n FROM torpor.lines WHERE run = %s "
    "ORDER BY n LIMIT %s) RETURNING 1) SELECT count(*) FROM gone"
)
_WHICH: Final = (
    "(%(app)s::text IS NULL OR r.app = %(app)s) AND (%(workflow)s::text IS NULL OR r.workflow = %(workflow)s) "
    "AND r.workflow <> ALL(%(besides)s)"
)
_KINDS: Final = (
    "WITH RECURSIVE kinds (app, workflow) AS ("
    "(SELECT app, workflow FROM torpor.runs WHERE ended_at > 0 ORDER BY app, workflow LIMIT 1) UNION ALL "
    "SELECT later.app, later.workflow FROM kinds k CROSS JOIN LATERAL (SELECT app, workflow FROM torpor.runs "
    "WHERE ended_at > 0 AND (app, workflow) > (k.app, k.workflow) ORDER BY app, workflow LIMIT 1) later) "
)
"""Which workflows have runs that have ended: a look into the index for each of them, however many runs these have."""

_ENDED: Final = (
    f"WHERE r.n = ANY(ARRAY({_KINDS} SELECT e.n FROM kinds r CROSS JOIN LATERAL (SELECT n, ended_at FROM torpor.runs "
    "WHERE app = r.app AND workflow = r.workflow AND ended_at > 0 AND ended_at >= %(since)s AND ended_at < %(before)s "
    "AND status = ANY(%(statuses)s) AND (NOT %(whole)s OR base < head - 1) ORDER BY ended_at, n LIMIT %(limit)s) e "
    f"WHERE {_WHICH} ORDER BY e.ended_at, e.n LIMIT %(limit)s)) ORDER BY r.ended_at, r.n"
)
_LONG: Final = (
    f"WHERE r.status <> ALL(%(ended)s) AND {_WHICH} AND r.head - r.base >= %(kept)s + %(going)s "
    "AND (%(age)s = 0 OR (SELECT at FROM torpor.events WHERE run = r.id AND seq = r.base + %(going)s) "
    "< (SELECT at FROM torpor.snapshots WHERE run = r.id) - %(age)s) AND r.runtime = 'snapshot' "
    "ORDER BY r.n LIMIT %(limit)s"
)


def erase(store: Store, request: ask.Erase) -> bool:
    """Answer :class:`torpor.worlds.requests.Erase`: long lists first, then all else with the run."""
    run, left, db = request.run, request.rows_max, store.connection
    found = db.ask((_CHUNKS, (run.id, left, run.id)), (_LINES, (run.id, run.id, left)))
    left -= sum(count for [(count,)] in found)
    if left <= 0:
        return False
    tenants.settle(store, run)
    # What follows goes with what is asked of the next run. Rows of what was open refer to the log, which therefore goes
    # after them.
    db.put_off((f"DELETE FROM torpor.{table} WHERE run = %s", (run.id,)) for table in OF_RUNS)
    ending = run.head - 1
    base = min(ending, run.base + left)
    is_last: bool = base == ending
    goes = not request.keep_name
    if base > run.base and not (is_last and goes):
        db.put_off([("UPDATE torpor.runs SET base = %s WHERE id = %s", (base, run.id))])
    if base > run.base:
        db.put_off([("DELETE FROM torpor.events WHERE run = %s AND seq <= %s", (run.id, base))])
    if is_last and goes:
        tables = [f"{table} WHERE run" for table in (*OF_NAMES, "events", "turns")]
        db.put_off((f"DELETE FROM torpor.{which} = %s", (run.id,)) for which in [*tables, "runs WHERE id"])
    return is_last


def ended_runs(store: Store, where: EndedFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.ended_runs`."""
    asked = {
        "since": where.since,
        "before": where.before,
        "statuses": [*where.statuses],
        "whole": where.whole,
        "limit": where.limit,
        "app": where.app,
        "workflow": where.workflow,
        "besides": [*where.besides],
    }
    return store.runs_by_name(_ENDED, asked)


def long_logs(store: Store, where: LongLogs) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.long_logs`."""
    asked = {
        "ended": sorted(RUN_TERMINAL),
        "app": where.app,
        "workflow": where.workflow,
        "besides": [*where.besides],
        "kept": where.kept,
        "going": where.going,
        "age": where.age_ms,
        "limit": where.limit,
    }
    return store.runs_by_name(_LONG, asked)
