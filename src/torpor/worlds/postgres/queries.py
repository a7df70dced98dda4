"""
Lists, searches and counts, for people.

Runs stand in the order of their creation. A page of all runs goes along their numbers; one with a filter is merged from
the lists of each application, workflow and status that fit, which the index ``runs_listed`` has in order: so it reads
no more than a page of each, however many runs there are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Hook, ImageUse, ProgramUse, Run, RunFilter, WaitingSteps
from torpor.worlds import refusals
from torpor.worlds.postgres.queue import WAITING
from torpor.worlds.postgres.rows import RUN_COLUMNS
from torpor.worlds.postgres.store import Store

_STATUSES: Final = ("pending", "running", *sorted(RUN_TERMINAL))
_LIVE: Final = "status IN ('pending', 'running')"
_NAMES: Final = (
    # From workflow to workflow, instead of through all runs.
    "WITH RECURSIVE names (app, workflow) AS ("
    "(SELECT app, workflow FROM torpor.runs ORDER BY app, workflow LIMIT 1) UNION ALL "
    "SELECT n.app, n.workflow FROM names p CROSS JOIN LATERAL (SELECT r.app, r.workflow FROM torpor.runs r "
    "WHERE (r.app, r.workflow) > (p.app, p.workflow) ORDER BY r.app, r.workflow LIMIT 1) n) "
)
_PAGE: Final = (
    f"{_NAMES} SELECT {RUN_COLUMNS} FROM names p CROSS JOIN unnest(%(statuses)s::text[]) s (status) "
    "CROSS JOIN LATERAL ("
    "SELECT * FROM torpor.runs r WHERE r.app = p.app AND r.workflow = p.workflow AND r.status = s.status "
    "AND r.n < %(before)s ORDER BY r.n DESC LIMIT %(limit)s) r WHERE (%(app)s::text IS NULL OR p.app = %(app)s) "
    "AND (%(name)s::text IS NULL OR p.workflow = %(name)s OR right(p.workflow, length(%(suffix)s)) = %(suffix)s) "
    "ORDER BY r.n DESC LIMIT %(limit)s"
)
_HOW_MANY: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM torpor.attributes WHERE name = %s AND value = %s LIMIT 1000) AS few"
)
_WITH_ATTRIBUTES: Final = (
    "JOIN torpor.attributes a ON a.run = r.id "
    "WHERE a.name = %(attribute)s AND a.value = %(value)s AND a.n < %(before)s "
    "AND (%(status)s::text IS NULL OR r.status = %(status)s) AND (%(app)s::text IS NULL OR r.app = %(app)s) "
    "AND (%(name)s::text IS NULL OR r.workflow = %(name)s OR right(r.workflow, length(%(suffix)s)) = %(suffix)s) "
    "AND NOT EXISTS (SELECT 1 FROM unnest(%(names)s::text[], %(values)s::text[]) o (name, value) WHERE NOT EXISTS "
    "(SELECT 1 FROM torpor.attributes b WHERE b.run = r.id AND b.name = o.name AND b.value = o.value)) "
    "ORDER BY a.n DESC LIMIT %(limit)s"
)
_OF_THESE: Final = (
    "r.n < %(before)s AND r.ended_at > 0 AND r.ended_at >= %(since)s AND r.ended_at < %(until)s "
    "AND (%(status)s::text IS NULL OR r.status = %(status)s) AND (%(app)s::text IS NULL OR r.app = %(app)s) "
    "AND (%(name)s::text IS NULL OR r.workflow = %(name)s OR right(r.workflow, length(%(suffix)s)) = %(suffix)s) "
    "AND NOT EXISTS (SELECT 1 FROM unnest(%(names)s::text[], %(values)s::text[]) o (name, value) WHERE NOT EXISTS "
    "(SELECT 1 FROM torpor.attributes b WHERE b.run = r.id AND b.name = o.name AND b.value = o.value))"
)
_BY_END: Final = (
    # Along the index of ends, workflow by workflow.
    f"{_NAMES} SELECT {{}} FROM names p CROSS JOIN LATERAL (SELECT * FROM torpor.runs r WHERE r.app = p.app "
    f"AND r.workflow = p.workflow AND {_OF_THESE} OFFSET 0) r"
)
_MANY: Final = 1_000
"""What more runs have than that is not rare: a page is found among the newest."""

_HOW_MANY_BY_END: Final = f"SELECT count(*) FROM ({_BY_END.format('1')} LIMIT {_MANY}) AS few"
_FEW_BY_END: Final = f"{_BY_END.format(RUN_COLUMNS)} ORDER BY r.n DESC LIMIT %(limit)s"
_MANY_BY_END: Final = f"WHERE {_OF_THESE} ORDER BY r.n DESC LIMIT %(limit)s"
_NO_RUN_YET: Final = 1 << 62
_NO_GUEST: Final = "r.guest = ''"
_WAITING: Final = (
    f"{WAITING.format(_NO_GUEST)} SELECT r.app, s.name, s.signature, count(*), "
    "min(CASE WHEN s.snoozed = '' THEN s.queued_at ELSE s.created_at END) AS since, max(s.snoozed), "
    "(array_agg(s.run ORDER BY CASE WHEN s.snoozed = '' THEN s.queued_at ELSE s.created_at END, s.n, s.seq))[1] "
    "FROM places p JOIN torpor.routes r ON r.k = p.route JOIN torpor.steps s ON s.route = p.route AND s.name = p.name "
    "AND s.ready_at IS NOT NULL AND s.lane IS NULL WHERE p.name IS NOT NULL AND (s.ready_at <= %s OR s.snoozed <> '') "
    "GROUP BY r.app, s.name, s.signature ORDER BY since, r.app, s.name, s.signature"
)
_PROGRAMS: Final = (
    "SELECT r.app, r.program, r.guest, r.key_id, count(*), (array_agg(r.id ORDER BY r.n))[1] FROM torpor.turns t "
    'JOIN torpor.runs r ON r.id = t.run GROUP BY 1, 2, 3, 4 ORDER BY r.app, r.program COLLATE "C", '
    'r.guest COLLATE "C", r.key_id'
)
_KEYS: Final = (
    "SELECT key_id, count(*) FROM torpor.runs WHERE key_id <> '' AND (NOT %s OR ended_at = 0) GROUP BY key_id"
)
_IMAGES: Final = (
    "SELECT DISTINCT program, build, key_id FROM torpor.runs "
    f"WHERE ({_LIVE} OR status IN ('failed', 'cancelled')) AND build <> ''"
)


def list_runs(store: Store, where: RunFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.list_runs`."""
    before = _NO_RUN_YET
    if where.before is not None:
        row = store.connection.row("SELECT n FROM torpor.runs WHERE id = %s", where.before)
        if row is None:
            raise refusals.run_not_found(where.before, store.url)
        before = row[0]
    asked: dict[str, Any] = {"before": before, "limit": where.limit, "app": where.app, "name": where.workflow}
    asked["suffix"] = f"//{where.workflow}"
    if where.by_end:
        return _runs_by_end(store, where, asked)
    if where.attributes:
        return _runs_with(store, where, asked)
    if where.status is None and where.workflow is None and where.app is None:
        return store.runs("WHERE r.n < %s ORDER BY r.n DESC LIMIT %s", before, where.limit)
    statuses = _STATUSES if where.status is None else (where.status,)
    return store.runs_found(_PAGE, {**asked, "statuses": [*statuses]})


def _runs_with(store: Store, where: RunFilter, asked: dict[str, Any]) -> list[Run]:
    """Return a page of the runs that have attributes: along the index of the rarest, those that have the others."""
    attributes = list(where.attributes.items())
    if len(attributes) > 1:
        counted = store.connection.ask(*((_HOW_MANY, each) for each in attributes))
        numbers = {each: rows[0][0] for each, rows in zip(attributes, counted, strict=True)}
        attributes.sort(key=lambda each: int(numbers[each]))
    (name, value), *others = attributes
    asked |= {"attribute": name, "value": value, "status": where.status}
    asked |= {"names": [each for each, _ in others], "values": [each for _, each in others]}
    return store.runs_by_name(_WITH_ATTRIBUTES, asked)


def _runs_by_end(store: Store, where: RunFilter, asked: dict[str, Any]) -> list[Run]:
    """Return a page of the runs that ended at some time: along their ends if they are few, else along all runs."""
    asked |= {"since": where.ended_since, "until": where.ended_before or _NO_RUN_YET, "status": where.status}
    asked |= {"names": [*where.attributes], "values": [*where.attributes.values()]}
    [[(count,)]] = store.connection.ask((_HOW_MANY_BY_END, asked))
    return store.runs_by_name(_MANY_BY_END, asked) if count >= _MANY else store.runs_found(_FEW_BY_END, asked)


def runs_beginning_with(store: Store, prefix: str, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.runs_beginning_with`."""
    # A range of the index of ids: nothing that begins with the prefix sorts behind it and the last character.
    where = "WHERE r.id >= %s AND r.id < %s || chr(1114111) ORDER BY r.id LIMIT %s"
    return store.runs(where, prefix, prefix, limit)


def open_entities(store: Store, run_id: str) -> Entities:
    """Answer :meth:`torpor.world.Queries.open_entities`."""
    found = store.entities(run_id, "none")
    if found is None:
        raise refusals.run_not_found(run_id, store.url)
    return found


def open_entities_of(store: Store, run_ids: Collection[str]) -> dict[str, Entities]:
    """Answer :meth:`torpor.world.Queries.open_entities_of`."""
    found = ((run_id, store.entities(run_id, "none")) for run_id in run_ids)
    return {run_id: entities for run_id, entities in found if entities is not None}


def live_hooks(store: Store, *, limit: int, before: str | None) -> list[Hook]:
    """Answer :meth:`torpor.world.Queries.live_hooks`."""
    where = (
        "JOIN torpor.tokens t ON t.run = h.run AND t.hook = h.id WHERE %s::text IS NULL OR t.hook < %s "
        "ORDER BY t.hook DESC, t.n DESC LIMIT %s"
    )
    return store.hooks(where, before, before, limit)


def waiting_steps(store: Store, now: int) -> list[WaitingSteps]:
    """Answer :meth:`torpor.world.Queries.waiting_steps`."""
    rows = store.connection.rows(_WAITING, now)
    return [
        WaitingSteps(app, name, signature, count, since, run_id, why)
        for app, name, signature, count, since, why, run_id in rows
    ]


def programs_in_use(store: Store) -> list[ProgramUse]:
    """Answer :meth:`torpor.world.Queries.programs_in_use`."""
    return [ProgramUse(*row) for row in store.connection.rows(_PROGRAMS)]


def snoozed_runs(store: Store, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.snoozed_runs`."""
    return store.runs("WHERE r.snoozed <> '' AND r.ended_at = 0 ORDER BY r.latest_at, r.n LIMIT %s", limit)


def runs_by_key(store: Store, *, live: bool) -> dict[str, int]:
    """Answer :meth:`torpor.world.Queries.runs_by_key`."""
    return dict(store.connection.rows(_KEYS, live))


def images_in_use(store: Store) -> set[ImageUse]:
    """Answer :meth:`torpor.world.Queries.images_in_use`."""
    return {ImageUse(*row) for row in store.connection.rows(_IMAGES)}


def programs_kept(store: Store) -> set[tuple[str, str]]:
    """Answer :meth:`torpor.world.Queries.programs_kept`."""
    return {
        (program, key_id)
        for program, key_id in store.connection.rows("SELECT DISTINCT program, key_id FROM torpor.runs")
    }


def statuses(store: Store, run_ids: Collection[str], ended: bool) -> dict[str, Run]:
    """Answer :meth:`torpor.world.Queries.statuses`."""
    which = "WHERE r.id = ANY(%s)" + (f" AND NOT ({_LIVE})" if ended else "")
    return {run.id: run for run in store.runs(which, list(run_ids))}
