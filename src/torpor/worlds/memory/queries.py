"""Lists, searches and counts, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import islice

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.errors import DamagedError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import EndedFilter, Entities, Hook, ImageUse, LongLogs, ProgramUse, Run, RunFilter, Step, WaitingSteps
from torpor.worlds.memory.store import Rows, Store


def list_runs(store: Store, where: RunFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.list_runs`."""
    before = store.created if where.before is None else store.existing(where.before).n
    found = (
        rows.run
        for rows in reversed(store.runs.values())
        if rows.n < before
        and (where.status is None or rows.run.status == where.status)
        and (where.workflow is None or f"//{rows.run.workflow}".endswith(f"//{where.workflow}"))
        and (where.app is None or rows.run.app == where.app)
        and where.attributes.items() <= rows.run.attributes.items()
        and (not where.by_end or rows.run.ended_at >= max(1, where.ended_since))
        and (not where.ended_before or rows.run.ended_at < where.ended_before)
    )
    return list(islice(found, where.limit))


def runs_beginning_with(store: Store, prefix: str, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.runs_beginning_with`."""
    ids = sorted(run_id for run_id in store.runs if run_id.startswith(prefix))
    return [store.runs[run_id].run for run_id in ids[:limit]]


def open_entities(store: Store, run_id: str) -> Entities:
    """Answer :meth:`torpor.world.Queries.open_entities`."""
    rows = store.existing(run_id)
    return rows.entities([replace(step, input=None) for step in rows.steps.values()])


def open_entities_of(store: Store, run_ids: Collection[str]) -> dict[str, Entities]:
    """Answer :meth:`torpor.world.Queries.open_entities_of`."""
    return {run_id: open_entities(store, run_id) for run_id in run_ids if run_id in store.runs}


def live_hooks(store: Store, *, limit: int, before: str | None) -> list[Hook]:
    """Answer :meth:`torpor.world.Queries.live_hooks`."""
    hooks = [store.hook(place) for place in store.tokens.values()]
    older = [hook for hook in hooks if before is None or hook.id < before]
    return sorted(older, key=lambda hook: (hook.id, store.runs[hook.run_id].n), reverse=True)[:limit]


def waiting_steps(store: Store, now: int) -> list[WaitingSteps]:
    """Answer :meth:`torpor.world.Queries.waiting_steps`."""
    groups: dict[tuple[str, str, str], list[Step]] = {}
    for rows, step in store.ready_steps():
        if step.place is None and step.ready_at is not None and (step.ready_at <= now or step.snoozed):
            groups.setdefault((rows.run.app, step.name, step.signature), []).append(step)
    found = []
    for about, steps in groups.items():
        first = min(steps, key=_waits_since)
        why = max(step.snoozed for step in steps)
        found.append(WaitingSteps(*about, len(steps), _waits_since(first), first.run_id, why))
    return sorted(found, key=lambda steps: (steps.since, steps.app, steps.name, steps.signature))


def programs_in_use(store: Store) -> list[ProgramUse]:
    """Answer :meth:`torpor.world.Queries.programs_in_use`."""
    groups: dict[tuple[str, str, str, str], list[Run]] = {}
    for run in store.live():
        groups.setdefault((run.app, run.program, run.guest, run.key_id), []).append(run)
    return [ProgramUse(*about, len(runs), runs[0].id) for about, runs in sorted(groups.items())]


def snoozed_runs(store: Store, *, limit: int) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.snoozed_runs`."""
    return sorted((run for run in store.live() if run.snoozed), key=lambda run: run.latest_at)[:limit]


def runs_by_key(store: Store, *, live: bool) -> dict[str, int]:
    """Answer :meth:`torpor.world.Queries.runs_by_key`."""
    runs = store.live() if live else (rows.run for rows in store.runs.values())
    return dict(Counter(run.key_id for run in runs if run.key_id))


def images_in_use(store: Store) -> set[ImageUse]:
    """Answer :meth:`torpor.world.Queries.images_in_use`."""
    runs = (rows.run for rows in store.runs.values())
    return {ImageUse(run.program, run.build, run.key_id) for run in runs if run.build and run.status != "completed"}


def programs_kept(store: Store) -> set[tuple[str, str]]:
    """Answer :meth:`torpor.world.Queries.programs_kept`."""
    return {(rows.run.program, rows.run.key_id) for rows in store.runs.values()}


def ended_runs(store: Store, where: EndedFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.ended_runs`."""
    found = [
        rows.run
        for rows in store.runs.values()
        if rows.run.status in where.statuses
        and max(1, where.since) <= rows.run.ended_at < where.before
        and where.app in (None, rows.run.app)
        and where.workflow in (None, rows.run.workflow)
        and rows.run.workflow not in where.besides
        and (not where.whole or rows.run.base < rows.run.head - 1)
    ]
    return sorted(found, key=lambda run: run.ended_at)[: where.limit]


def long_logs(store: Store, where: LongLogs) -> list[Run]:
    """Answer :meth:`torpor.world.Queries.long_logs`."""
    found = (
        run
        for run in store.live()
        if run.head - run.base >= where.kept + where.going
        and (not where.age_ms or _is_aged(store.runs[run.id], where))
        and run.runtime == "snapshot"
        and where.app in (None, run.app)
        and where.workflow in (None, run.workflow)
        and run.workflow not in where.besides
    )
    return list(islice(found, where.limit))


def _is_aged(rows: Rows, where: LongLogs) -> bool:
    return rows.snapshot is not None and rows.log[where.going - 1].at < rows.snapshot.at - where.age_ms


def damaged(_store: Store, _clock: Clock) -> list[DamagedError]:
    """Answer :meth:`torpor.world.Queries.damaged`: memory is not damaged."""
    return []


def statuses(store: Store, run_ids: Collection[str], ended: bool) -> dict[str, Run]:
    """Answer :meth:`torpor.world.Queries.statuses`."""
    found = {run_id: store.runs[run_id].run for run_id in run_ids if run_id in store.runs}
    return {run_id: run for run_id, run in found.items() if not ended or run.status in RUN_TERMINAL}


def _waits_since(step: Step) -> int:
    return step.created_at if step.snoozed else step.queued_at
