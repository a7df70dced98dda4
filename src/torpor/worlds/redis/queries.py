"""
Lists, searches and counts, for people, and for those who tidy up.

Runs are found by their number, by their status, by when they ended, and by how their ids begin; whatever else is asked
for is looked for along those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, TypeVar

import msgspec

from torpor.errors import DamagedError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import (
    EndedFilter,
    Entities,
    Event,
    Hook,
    ImageUse,
    LongLogs,
    ProgramUse,
    Run,
    RunFilter,
    Snapshot,
    Step,
    WaitingSteps,
)
from torpor.worlds import refusals
from torpor.worlds.redis.connection import sound
from torpor.worlds.redis.keys import is_place, parted, place_of, text
from torpor.worlds.redis.rows import routes_of, unpack
from torpor.worlds.redis.store import RunRow, Store, hooks_of, steps_of, waits_of

T = TypeVar("T", bound=msgspec.Struct)

_PAGE: Final = 200
_LIVE: Final = ("pending", "running")
_STATUSES: Final = (*_LIVE, *sorted(RUN_TERMINAL))


def _along(store: Store, key: bytes, *, before: int | None = None, damaged: bool = False) -> Iterator[RunRow]:
    """Yield the runs of a set by number, the newest first."""
    highest = "+inf" if before is None else f"({before}"
    while True:
        asked = ("ZREVRANGEBYSCORE", key, highest, "-inf", "WITHSCORES", "LIMIT", 0, _PAGE)
        [found] = store.connection.ask(asked)
        yield from store.rows([text(run_id) for run_id in found[::2]], damaged=damaged)
        if len(found) < 2 * _PAGE:
            return
        highest = f"({int(float(found[-1]))}"


def _live(store: Store) -> list[RunRow]:
    """Return the runs that have not ended, in the order of their creation."""
    found = (row for status in _LIVE for row in _along(store, store.keys.of("status", status)))
    return sorted((row for row in found if row.run.status not in RUN_TERMINAL), key=lambda row: row.n)


def list_runs(store: Store, where: RunFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.list_runs`."""
    before = None
    if where.before is not None:
        before = store.row(where.before).n
    key = store.keys.runs if where.status is None else store.keys.of("status", where.status)
    rows = _along(store, key, before=before, damaged=True) if not where.by_end else _by_end(store, where, before)
    runs = (row.run for row in rows)
    return list(islice((run for run in runs if _fits(where, run)), where.limit))


def _fits(where: RunFilter, run: Run) -> bool:
    return (
        (where.status is None or run.status == where.status)
        and (where.workflow is None or f"//{run.workflow}".endswith(f"//{where.workflow}"))
        and (where.app is None or run.app == where.app)
        and where.attributes.items() <= run.attributes.items()
    )


def _by_end(store: Store, where: RunFilter, before: int | None) -> list[RunRow]:
    """Return the runs that ended at some time, the newest first."""
    since, until = max(1, where.ended_since), f"({where.ended_before}" if where.ended_before else "+inf"
    [found] = store.connection.ask(("ZRANGEBYSCORE", store.keys.ended, since, until))
    rows = store.rows([text(run_id) for run_id in found])
    return sorted((row for row in rows if before is None or row.n < before), key=lambda row: -row.n)


def runs_beginning_with(store: Store, prefix: str, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.runs_beginning_with`."""
    low = b"[" + prefix.encode()
    high = low + b"\xff" if prefix else b"+"
    [ids] = store.connection.ask(("ZRANGEBYLEX", store.keys.ids, low, high, "LIMIT", 0, limit))
    return [row.run for row in store.rows([text(run_id) for run_id in ids], damaged=True)]


def statuses(store: Store, run_ids: Collection[str], ended: bool) -> dict[str, Run]:
    """Answer :meth:`torpor.world.Queries.statuses`."""
    found = [row.run for row in store.rows([*run_ids])]
    return {run.id: run for run in found if not ended or run.status in RUN_TERMINAL}


# What is open


def open_entities(store: Store, run_id: str) -> Entities:
    """Answer :meth:`torpor.world.Queries.open_entities`."""
    found = _open(store, run_id)
    if found is None:
        raise refusals.run_not_found(run_id, store.url)
    return found


def open_entities_of(store: Store, run_ids: Collection[str]) -> dict[str, Entities]:
    """Answer :meth:`torpor.world.Queries.open_entities_of`."""
    found: dict[str, Entities] = {}
    for run_id in run_ids:
        with suppress(DamagedError):
            if (entities := _open(store, run_id)) is not None:
                found[run_id] = entities
    return found


def _open(store: Store, run_id: str) -> Entities | None:
    run, steps, progress, waits, hooks = store.connection.ask_of_one_moment(
        store.asked_run(run_id),
        *(("HGETALL", store.keys.of(kind, run_id)) for kind in ("steps", "progress", "waits", "hooks")),
    )
    row = store.run_found(run_id, run)
    if row is None:
        return None
    return Entities(row.run, steps_of(run_id, steps, progress, {}), waits_of(run_id, waits), hooks_of(run_id, hooks))


def live_hooks(store: Store, *, limit: int, before: str | None) -> list[Hook]:
    """Answer :meth:`torpor.world.Queries.live_hooks`."""
    [places] = store.connection.ask(("HVALS", store.keys.tokens))
    which = sorted({tuple(parted(place)) for place in places}, key=lambda place: place[1], reverse=True)
    older = [place for place in which if before is None or place[1] < before]
    hooks: list[Hook] = []
    numbers: dict[str, int] = {}
    for at in range(0, len(older), _PAGE):
        some = older[at : at + _PAGE]
        found = [*_readable(store, "hooks", some, Hook)]
        numbers |= {row.run.id: row.n for row in store.rows(sorted({hook.run_id for hook in found}))}
        hooks += found
        if len(hooks) >= limit + _PAGE:
            break
    return sorted(hooks, key=lambda hook: (hook.id, numbers.get(hook.run_id, 0)), reverse=True)[:limit]


def waiting_steps(store: Store, now: int) -> list[WaitingSteps]:
    """Answer :meth:`torpor.world.Queries.waiting_steps`."""
    groups: dict[tuple[str, str, str], list[Step]] = {}
    [routes] = store.connection.ask(("ZRANGE", store.keys.routes, 0, -1))
    for route, packed in routes_of(routes):
        if route.kind == "s" and not route.lane:
            for step in _waiting_on(store, packed):
                if step.ready_at is not None and (step.ready_at <= now or step.snoozed):
                    groups.setdefault((route.app, step.name, step.signature), []).append(step)
    found = []
    for about, steps in groups.items():
        first = min(steps, key=_waits_since)
        why = max(step.snoozed for step in steps)
        found.append(WaitingSteps(*about, len(steps), _waits_since(first), first.run_id, why))
    return sorted(found, key=lambda steps: (steps.since, steps.app, steps.name, steps.signature))


def _waiting_on(store: Store, packed: bytes) -> Iterator[Step]:
    sets = store.connection.ask(*(("ZRANGE", store.keys.of(kind, packed, ""), 0, -1) for kind in ("ready", "later")))
    places = [place_of(member)[1:] for members in sets for member in members if is_place(member)]
    for at in range(0, len(places), _PAGE):
        some = places[at : at + _PAGE]
        yield from _readable(store, "steps", some, Step)


def _readable(store: Store, kind: str, places: Sequence[tuple[str, ...]], of: type[T]) -> Iterator[T]:
    """Yield those rows of runs that are there, and are not damaged: doctor tells of these."""
    found = store.connection.ask_each(*(("HGET", store.keys.of(kind, run), row.encode()) for run, row in places))
    for (run_id, row_id), row in zip(places, found, strict=True):
        with suppress(DamagedError):
            if sound([row])[0] is not None:
                yield unpack(row, of, f"{kind} {row_id}", run_id)


def _waits_since(step: Step) -> int:
    return step.created_at if step.snoozed else step.queued_at


# What is in use


def programs_in_use(store: Store) -> list[ProgramUse]:
    """Answer :meth:`torpor.world.Queries.programs_in_use`."""
    groups: dict[tuple[str, str, str, str], list[Run]] = {}
    for row in _live(store):
        run = row.run
        groups.setdefault((run.app, run.program, run.guest, run.key_id), []).append(run)
    return [ProgramUse(*about, len(runs), runs[0].id) for about, runs in sorted(groups.items())]


def snoozed_runs(store: Store, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.snoozed_runs`."""
    return sorted((row.run for row in _live(store) if row.run.snoozed), key=lambda run: run.latest_at)[:limit]


def runs_by_key(store: Store, *, live: bool) -> dict[str, int]:
    """Answer :meth:`torpor.world.Queries.runs_by_key`."""
    rows = _live(store) if live else _along(store, store.keys.runs)
    return dict(Counter(row.run.key_id for row in rows if row.run.key_id))


def images_in_use(store: Store) -> set[ImageUse]:
    """Answer :meth:`torpor.world.Queries.images_in_use`."""
    rows = (
        row for status in _STATUSES if status != "completed" for row in _along(store, store.keys.of("status", status))
    )
    runs = (row.run for row in rows)
    return {ImageUse(run.program, run.build, run.key_id) for run in runs if run.build and run.status != "completed"}


def programs_kept(store: Store) -> set[tuple[str, str]]:
    """Answer :meth:`torpor.world.Queries.programs_kept`."""
    return {(row.run.program, row.run.key_id) for row in _along(store, store.keys.runs)}


# What may go


def ended_runs(store: Store, where: EndedFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.ended_runs`."""
    found: list[Run] = []
    at = 0
    while len(found) < where.limit:
        asked = ("ZRANGEBYSCORE", store.keys.ended, where.since, f"({where.before}", "LIMIT", at, _PAGE)
        [ids] = store.connection.ask(asked)
        rows = store.rows([text(run_id) for run_id in ids])
        found += [row.run for row in sorted(rows, key=lambda row: (row.run.ended_at, row.n)) if _may_go(where, row.run)]
        at += _PAGE
        if len(ids) < _PAGE:
            break
    return sorted(found, key=lambda run: run.ended_at)[: where.limit]


def _may_go(where: EndedFilter, run: Run) -> bool:
    return (
        run.status in where.statuses
        and 0 < run.ended_at < where.before
        and where.app in (None, run.app)
        and where.workflow in (None, run.workflow)
        and run.workflow not in where.besides
        and (not where.whole or run.base < run.head - 1)
    )


def long_logs(store: Store, where: LongLogs) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.long_logs`."""
    found = (
        row.run
        for row in _live(store)
        if row.run.head - row.run.base >= where.kept + where.going
        and row.run.runtime == "snapshot"
        and where.app in (None, row.run.app)
        and where.workflow in (None, row.run.workflow)
        and row.run.workflow not in where.besides
        and (not where.age_ms or _is_aged(store, row.run, where))
    )
    return list(islice(found, where.limit))


def _is_aged(store: Store, run: Run, where: LongLogs) -> bool:
    about, row = store.connection.ask(
        ("HGET", store.keys.of("snapshot", run.id), b"about"),
        ("LINDEX", store.keys.of("log", run.id), where.going - 1),
    )
    if about is None or row is None:
        return False
    snapshot = unpack(about, Snapshot, "the snapshot", run.id)
    return unpack(row, Event, "an event", run.id).at < snapshot.at - where.age_ms
