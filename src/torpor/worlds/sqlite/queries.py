"""
Lists, searches and counts, for people.

Runs stand in the order of their creation, which is that of their rowids. A page of all runs goes along the rowids; one
with a filter is merged from the lists of each workflow and status that fit, which the index ``runs_listed`` has in
order: so it reads no more than a page of each, however many runs there are.

A damaged row stops no list. A run is listed with what can be told of it; other things are left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.model import Entities, Hook, ImageUse, ProgramUse, Run, RunFilter, WaitingSteps
from torpor.worlds import refusals
from torpor.worlds.sqlite.codes import RUN_CODE
from torpor.worlds.sqlite.queue import ALL_OF_TYPES, WAITING
from torpor.worlds.sqlite.sound import Shape, reading
from torpor.worlds.sqlite.store import Store

_LIVE: Final = f"status IN ({RUN_CODE['pending']}, {RUN_CODE['running']})"
_NOT_COMPLETED: Final = f"status IN ({', '.join(str(code) for name, code in RUN_CODE.items() if name != 'completed')})"
_NEWEST: Final = (
    # A page holds runs of no more lists than it has places: of those whose newest runs are the newest.
    "WITH lists AS MATERIALIZED (SELECT w.k AS workflow, s.value AS status, "
    "(SELECT max(k) FROM runs WHERE workflow = w.k AND status = s.value AND k < :before) AS newest "
    "FROM workflows w CROSS JOIN json_each(:statuses) s "
    "WHERE (:app IS NULL OR w.app = :app) "
    "AND (:name IS NULL OR w.name = :name OR substr(w.name, -length(:suffix)) = :suffix)) "
    "SELECT (SELECT json_group_array(k) FROM (SELECT k FROM runs WHERE workflow = l.workflow AND status = l.status "
    "AND k < :before ORDER BY k DESC LIMIT :limit)) "
    "FROM (SELECT * FROM lists WHERE newest IS NOT NULL ORDER BY newest DESC LIMIT :limit) l"
)
_MANY: Final = 5_000
"""What more runs have than that is not rare: a page is found among its newest."""

_HOW_MANY: Final = f"SELECT count(*) FROM (SELECT 1 FROM attributes WHERE name = ? AND value = ? LIMIT {_MANY})"
_OF_WORKFLOW: Final = (
    "(:app IS NULL OR w.app = :app) AND (:name IS NULL OR w.name = :name OR substr(w.name, -length(:suffix)) = :suffix)"
)
_HAS: Final = (
    "NOT EXISTS (SELECT 1 FROM json_each(:{which}) WHERE NOT EXISTS (SELECT 1 FROM attributes WHERE run = {run} "
    "AND name = json_extract(json_each.value, '$[0]') AND value = json_extract(json_each.value, '$[1]')))"
)
_WITH_ATTRIBUTES: Final = (
    "SELECT a.run FROM attributes a CROSS JOIN runs r ON r.k = a.run CROSS JOIN workflows w ON w.k = r.workflow "
    "WHERE a.name = :attribute AND a.value = :value AND a.run < :before "
    f"AND (:status IS NULL OR r.status = :status) AND {_OF_WORKFLOW} AND {_HAS.format(which='others', run='a.run')} "
    "ORDER BY a.run DESC LIMIT :limit"
)
_LISTED: Final = (
    "FROM workflows w CROSS JOIN json_each(:statuses) s CROSS JOIN runs r INDEXED BY runs_listed "
    f"ON r.workflow = w.k AND r.status = s.value AND r.k < :before WHERE {_OF_WORKFLOW}"
)
_HOW_MANY_LISTED: Final = f"SELECT count(*) FROM (SELECT 1 {_LISTED} LIMIT {_MANY})"
_LISTED_WITH: Final = (
    f"SELECT r.k {_LISTED} AND {_HAS.format(which='attributes', run='r.k')} ORDER BY r.k DESC LIMIT :limit"
)
_OF_STATUS: Final = "(:status IS NULL OR r.status = :status)"
_ENDED_THEN: Final = "r.ended_at > 0 AND r.ended_at >= :since AND r.ended_at < :until"
_BY_END: Final = (
    "FROM workflows w CROSS JOIN runs r INDEXED BY runs_ended ON r.workflow = w.k "
    f"AND {_ENDED_THEN} AND r.k < :before WHERE {_OF_WORKFLOW} AND {_OF_STATUS}"
)
_HOW_MANY_BY_END: Final = f"SELECT count(*) FROM (SELECT 1 {_BY_END} LIMIT {_MANY})"
_FEW_BY_END: Final = (
    f"SELECT r.k {_BY_END} AND {_HAS.format(which='attributes', run='r.k')} ORDER BY r.k DESC LIMIT :limit"
)
_MANY_BY_END: Final = (
    f"SELECT r.k FROM runs r CROSS JOIN workflows w ON w.k = r.workflow WHERE r.k < :before AND {_ENDED_THEN} "
    f"AND {_OF_WORKFLOW} AND {_OF_STATUS} AND {_HAS.format(which='attributes', run='r.k')} "
    "ORDER BY r.k DESC LIMIT :limit"
)
_NO_RUN_YET: Final = 1 << 62
_NO_TIME_YET: Final = 1 << 62
_LAST_CHARACTER: Final = "\U0010ffff"
_NEXT_KEY: Final = "SELECT min(key_id) FROM runs INDEXED BY runs_key WHERE key_id <> '' AND key_id > ?"
_COUNT: Final = "SELECT count(*) FROM runs INDEXED BY runs_key WHERE key_id <> '' AND key_id = ?"
_NO_GUEST: Final = "guest = ''"
_WAITING: Final = (
    # Kind by kind, each a range of the index, so that nothing is sorted.
    f"{WAITING.format(routes=_NO_GUEST)} SELECT t.app, kind, (SELECT json_array(count(*), "
    "min(iif(snoozed = '', queued_at, created_at)), max(snoozed), run) FROM steps WHERE route = place "
    "AND kind = waiting.kind AND ready_at IS NOT NULL AND lane IS NULL AND (ready_at <= ? OR snoozed <> '') "
    f"AND {ALL_OF_TYPES}) "
    "FROM waiting JOIN routes t ON t.k = place WHERE kind IS NOT NULL"
)
_PROGRAMS: Final = (
    "SELECT w.app, r.program, t.guest, t.key_id, count(*), min(r.k) FROM workflows w "
    f"CROSS JOIN runs r INDEXED BY runs_listed ON r.workflow = w.k AND r.{_LIVE} JOIN routes t ON t.k = r.route "
    "GROUP BY w.app, r.program, t.guest, t.key_id"
)
_PROGRAM: Final = Shape(app=str, program=int, guest=str, key_id=str, count=int, k=int)
_IMAGES: Final = (
    "SELECT DISTINCT r.program, r.build, r.key_id FROM workflows w "
    f"CROSS JOIN runs r INDEXED BY runs_listed ON r.workflow = w.k AND r.{_NOT_COMPLETED}"
)


def list_runs(store: Store, where: RunFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.list_runs`."""
    before = _NO_RUN_YET if where.before is None else store.existing(where.before)
    if where.by_end:
        return _runs_by_end(store, where, before)
    if where.attributes:
        return _runs_with(store, where, before)
    if where.status is None and where.workflow is None and where.app is None:
        return store.runs("WHERE k < ? ORDER BY k DESC LIMIT ?", before, where.limit)
    statuses = RUN_CODE.values() if where.status is None else [RUN_CODE[where.status]]
    asked = {
        "before": before,
        "limit": where.limit,
        "statuses": _json(list(statuses)),
        "app": where.app,
        "name": where.workflow,
        "suffix": f"//{where.workflow}",
    }
    newest: list[int] = []
    for (found,) in store.db.execute(_NEWEST, asked):
        newest += msgspec.json.decode(found)
    chosen = heapq.nlargest(where.limit, newest)
    return store.runs("WHERE k IN (SELECT value FROM json_each(?)) ORDER BY k DESC", _json(chosen))


def _runs_with(store: Store, where: RunFilter, before: int) -> list[Run]:
    """
    Return a page of the runs that have attributes: along what is rarest, the index of one of them, or the lists of the
    workflows and statuses that fit.
    """
    attributes = list(where.attributes.items())
    narrowed = not (where.status is None and where.workflow is None and where.app is None)
    counts = dict.fromkeys(attributes, 0)
    if len(attributes) > 1 or narrowed:
        counts = {each: int(store.db.execute(_HOW_MANY, each).fetchone()[0]) for each in attributes}
        attributes.sort(key=lambda each: counts[each])
    (name, value), *others = attributes
    asked = {
        "attribute": name,
        "value": value,
        "others": _json(others),
        "attributes": _json(attributes),
        "before": before,
        "limit": where.limit,
        "status": None if where.status is None else RUN_CODE[where.status],
        "statuses": _json(list(RUN_CODE.values()) if where.status is None else [RUN_CODE[where.status]]),
        "app": where.app,
        "name": where.workflow,
        "suffix": f"//{where.workflow}",
    }
    query = _WITH_ATTRIBUTES
    if narrowed and counts[name, value] > int(store.db.execute(_HOW_MANY_LISTED, asked).fetchone()[0]):
        query = _LISTED_WITH
    found = [k for (k,) in store.db.execute(query, asked).fetchall()]
    return store.runs("WHERE k IN (SELECT value FROM json_each(?)) ORDER BY k DESC", _json(found))


def _runs_by_end(store: Store, where: RunFilter, before: int) -> list[Run]:
    """Return a page of the runs that ended at some time: along their ends if they are few, else along all runs."""
    asked = {
        "before": before,
        "limit": where.limit,
        "since": where.ended_since,
        "until": where.ended_before or _NO_TIME_YET,
        "attributes": _json(list(where.attributes.items())),
        "status": None if where.status is None else RUN_CODE[where.status],
        "app": where.app,
        "name": where.workflow,
        "suffix": f"//{where.workflow}",
    }
    are_many = store.db.execute(_HOW_MANY_BY_END, asked).fetchone()[0] >= _MANY
    found = [k for (k,) in store.db.execute(_MANY_BY_END if are_many else _FEW_BY_END, asked).fetchall()]
    return store.runs("WHERE k IN (SELECT value FROM json_each(?)) ORDER BY k DESC", _json(found))


def runs_beginning_with(store: Store, prefix: str, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.runs_beginning_with`."""
    # A range of the index of ids: nothing that begins with the prefix sorts behind it and the last character.
    return store.runs("WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", prefix, prefix + _LAST_CHARACTER, limit)


def open_entities(store: Store, run_id: str) -> Entities:
    """Answer :meth:`torpor.world.Queries.open_entities`."""
    found = store.entities(run_id, "none")
    if found is None:
        raise refusals.run_not_found(run_id, store.url)
    return found[1]


def open_entities_of(store: Store, run_ids: Collection[str]) -> dict[str, Entities]:
    """Answer :meth:`torpor.world.Queries.open_entities_of`."""
    together: dict[str, Entities] = {}
    for run_id in run_ids:
        with suppress(DamagedError):
            if (found := store.entities(run_id, "none")) is not None:
                together[run_id] = found[1]
    return together


def live_hooks(store: Store, *, limit: int, before: str | None) -> list[Hook]:
    """Answer :meth:`torpor.world.Queries.live_hooks`."""
    where = "WHERE h.status = 0 AND h.watch = '' AND h.id < ? ORDER BY h.id DESC, h.run DESC LIMIT ? OFFSET ?"
    last = _LAST_CHARACTER if before is None else before
    found: list[Hook] = []
    seen = 0
    while len(found) < limit:  # a page that is not full would say that there are no more
        lacking = limit - len(found)
        page = store.hooks(where, last, lacking, seen)
        seen += len(page)
        found += [hook for hook in page if hook is not None]
        if len(page) < lacking:
            break
    return found


def waiting_steps(store: Store, now: int) -> list[WaitingSteps]:
    """Answer :meth:`torpor.world.Queries.waiting_steps`."""
    found: dict[tuple[str, str, str], WaitingSteps] = {}
    for app, kind, told in store.db.execute(_WAITING, (now,)).fetchall():
        count, since, why, k = msgspec.json.decode(told)
        if count and isinstance(app, str) and (of_kind := store.kinds.find(kind)) is not None:
            name, signature = of_kind
            steps = WaitingSteps(app, name, signature, count, since, store.name_at(k), why)
            about = (app, name, signature)
            found[about] = _together(found[about], steps) if about in found else steps
    return sorted(found.values(), key=lambda steps: (steps.since, steps.app, steps.name, steps.signature))


def _together(one: WaitingSteps, other: WaitingSteps) -> WaitingSteps:
    """Return what waits in two routes of an application."""
    first = min(one, other, key=lambda steps: steps.since)
    return replace(first, count=one.count + other.count, snoozed=max(one.snoozed, other.snoozed))


def programs_in_use(store: Store) -> list[ProgramUse]:
    """Answer :meth:`torpor.world.Queries.programs_in_use`."""
    found = []
    for row in store.rows(_PROGRAMS):
        app, program, guest, key_id, count, k = row
        if _PROGRAM.fits(row) and (label := store.labels.find(program)) is not None:
            found.append(ProgramUse(app, label[0], guest, key_id, count, store.name_at(k)))
    return sorted(found, key=lambda use: (use.app, use.program, use.guest, use.key_id))


def snoozed_runs(store: Store, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.snoozed_runs`."""
    return store.runs("INDEXED BY runs_snoozed WHERE snoozed <> '' AND status < 2 ORDER BY latest_at, k LIMIT ?", limit)


def runs_by_key(store: Store, *, live: bool) -> dict[str, int]:
    """Answer :meth:`torpor.world.Queries.runs_by_key`."""
    count = f"{_COUNT} AND {_LIVE}" if live else _COUNT
    found: dict[str, int] = {}
    key_id = ""
    while key_id is not None:  # from key to key, instead of through all runs
        if key_id:
            (found[key_id],) = store.db.execute(count, (key_id,)).fetchone()
        (key_id,) = store.db.execute(_NEXT_KEY, (key_id,)).fetchone()
    return {key_id: runs for key_id, runs in found.items() if runs and isinstance(key_id, str)}  # damaged else


def images_in_use(store: Store) -> set[ImageUse]:
    """Answer :meth:`torpor.world.Queries.images_in_use`."""
    rows = store.db.execute(_IMAGES).fetchall()
    with reading("a program or a guest build in table runs"):  # what is not known to be in use may be dropped
        found = {ImageUse(store.label(program), store.label(build), key_id) for program, build, key_id in rows}
    return {use for use in found if use.build}


def programs_kept(store: Store) -> set[tuple[str, str]]:
    """Answer :meth:`torpor.world.Queries.programs_kept`."""
    rows = store.db.execute("SELECT DISTINCT program, key_id FROM runs").fetchall()
    with reading("a program in table runs"):  # as above
        return {(store.label(program), key_id) for program, key_id in rows}


def statuses(store: Store, run_ids: Collection[str], ended: bool) -> dict[str, Run]:
    """Answer :meth:`torpor.world.Queries.statuses`."""
    which = "WHERE id IN (SELECT value FROM json_each(?))" + (" AND status >= 2" if ended else "")
    found = store.runs(which, _json(list(run_ids)))
    return {run.id: run for run in found if not run.damage}


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
