"""
Keeping a world from growing for ever: logs of runs that go on, and runs that have ended, go as policies say.

Everything goes in bites of some hundred rows, each followed by a pause of some times as long as it took, so that turns
never wait for it. Any number of workers may do it at once; who comes second finds nothing.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from torpor.clock import Clock
from torpor.engine.observer import Observer, Remark, ignore
from torpor.errors import ArchiveError, ConflictError, DamagedError, NotFoundError
from torpor.limits import DELETED_ROWS_MAX
from torpor.model import EndedFilter, Event, LongLogs, Run
from torpor.retention import NAMES_KEPT_MS, Archive, KeepLog, Policies, Retention, archive_of
from torpor.world import World

_PAUSE: Final = 4
"""How many times as long as a bite the pause is behind it."""

_PAGE: Final = 50
_SLACK: Final = 100
"""Events that a log may have more than are kept: it is not worth while to drop less."""

Verify = Callable[[Run], Awaitable[bool]]
"""Returns whether a run's newest snapshot can be restored, so that it makes up for the log."""


class Pruner:
    """
    Prunes the runs of one application.

    Args:
        world: an open world.
        app: returns the application's name.
        policies: what is kept.
        verify: tries snapshots.
        observe: is told what was pruned.
    """

    def __init__(
        self, world: World, app: Callable[[], str], policies: Policies, verify: Verify, observe: Observer = ignore
    ) -> None:
        self._world, self._app, self._policies = world, app, policies
        self._verify, self._observe = verify, observe
        self._bites = Bites(world)
        self._untouchable: set[str] = set()  # runs whose logs cannot go for now

    async def round(self) -> None:
        """
        Prune what is to be pruned by now.

        Raises:
            WorldError: the next round goes on.
        """
        self._untouchable.clear()
        for workflow, besides, policy in self._policies.scopes():
            if policy.log is not None:
                await self._drop_logs(workflow, besides, policy.log)
            if policy.retention is not None:
                await self._drop_runs(workflow, besides, policy.retention)

    async def _drop_logs(self, workflow: str | None, besides: tuple[str, ...], keep: KeepLog) -> None:
        while True:
            limit = _PAGE + len(self._untouchable)
            where = LongLogs(keep.events + _SLACK, self._app(), workflow, besides=besides, limit=limit)
            runs = [run for run in await self._world.long_logs(where) if run.id not in self._untouchable]
            for run in runs:
                self._untouchable.add(run.id)  # once a round is enough
                try:
                    await self._drop_log(run, keep)
                except (ConflictError, NotFoundError, DamagedError):
                    continue  # it has no snapshot, or none whose build is stored; or it has just ended; or is damaged
            if not runs:
                return

    async def _drop_log(self, run: Run, keep: KeepLog) -> None:
        snapshot = await self._world.snapshot(run.id)
        through = min(run.head - keep.events, snapshot.cursor if snapshot is not None else 0)
        if through > run.base and await self._verify(run):
            await self._bites.archive(run, through, archive_of(keep.archive))

    async def _drop_runs(self, workflow: str | None, besides: tuple[str, ...], retention: Retention) -> None:
        for status, kept_ms in retention.kept_ms().items():
            where = EndedFilter(0, self._app(), workflow, (status,), besides=besides, limit=_PAGE)
            count = await prune(self._world, where, kept_ms, archive=archive_of(retention.archive))
            if count:
                told = f"deleted {count} runs that were {status} for longer than they are kept"
                self._observe(Remark(logging.INFO, told))


async def prune(
    world: World,
    where: EndedFilter,
    kept_ms: int,
    *,
    archive: Archive | None = None,
    told: Callable[[Run, bool], None] = lambda _run, _named: None,
) -> int:
    """
    Delete the runs that ended longer ago than they are kept, and return how many that were.

    Of those that ended less than :data:`~torpor.retention.NAMES_KEPT_MS` ago the names stay.

    Args:
        world: an open world.
        where: which; its ``before`` and ``whole`` are set here, and its ``limit`` is how many are looked for at once.
        kept_ms: how long they are kept.
        archive: is given their logs before.
        told: is told each, and whether its name stays.
    """
    bites = Bites(world)
    now = world.clock.now()
    count = 0
    for keep_name, age in ((False, max(kept_ms, NAMES_KEPT_MS)), (True, kept_ms)):
        if keep_name and kept_ms >= NAMES_KEPT_MS:
            break
        asked = replaced(where, before=now - age, whole=keep_name)
        while runs := await world.ended_runs(asked):
            went = 0
            for run in runs:
                if await bites.delete(run, archive, keep_name=keep_name):
                    told(run, keep_name)
                    went += 1
            count += went
            if not went:  # what is left somebody else is at, or cannot be archived
                break
    return count


def replaced(where: EndedFilter, *, before: int, whole: bool) -> EndedFilter:
    """Return the filter for what ended before a time, and of which more than the name is kept if *whole*."""
    return EndedFilter(before, where.app, where.workflow, where.statuses, whole, where.limit, where.besides)


class Bites:
    """
    Small transactions with pauses between them.

    Args:
        world: an open world.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def archive(self, run: Run, through: int, archive: Archive | None) -> None:
        """
        Let a run's log begin after seq *through*.

        Raises:
            EntityConflictError: the run needs the events.
            RunNotFoundError: it is gone.
        """
        base = run.base
        while base < through:
            until = min(through, base + DELETED_ROWS_MAX)
            if archive is not None:
                await _given(archive, run.id, await self._world.events(run.id, after=base, limit=until - base))
            base = until
            await self._bite(lambda until=until: self._world.archive(run.id, until))  # type: ignore[misc]  # mypy#15459

    async def delete(self, run: Run, archive: Archive | None, *, keep_name: bool) -> bool:
        """Delete a run that has ended; return False when somebody else has, or when it is damaged, and stays."""
        try:
            if archive is not None:
                await self._archive_all(run, archive)
            done = False
            while not done:
                done = bool(await self._bite(lambda: self._world.delete_run(run.id, keep_name=keep_name)))
        except (ConflictError, NotFoundError, DamagedError):
            return False
        return True

    async def _archive_all(self, run: Run, archive: Archive) -> None:
        after = run.base
        if run.head - run.base <= 1 < run.head:
            return  # only the name was kept, and the rest is in the archive
        while events := await self._world.events(run.id, after=after, limit=DELETED_ROWS_MAX):
            await _given(archive, run.id, events)
            after = events[-1].seq

    async def _bite(self, work: Callable[[], Awaitable[object]]) -> object:
        clock: Clock = self._world.clock
        began = clock.steady()
        done = await work()
        await clock.sleep(max(1, _PAUSE * (clock.steady() - began)))
        return done


async def _given(archive: Archive, run_id: str, events: list[Event]) -> None:
    """
    Give events to whoever archives them.

    Raises:
        ArchiveError: that failed; the events stay.
    """
    try:
        waiting = archive(run_id, events)
        if inspect.isawaitable(waiting):
            await waiting
    except Exception as error:
        raise ArchiveError(f"the log of run {run_id} could not be archived, and stays: {error}") from error
