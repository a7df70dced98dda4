"""
Keeping a world from growing for ever: logs of runs that go on, and runs that have ended, go as policies say.

Everything goes in bites of some hundred rows, each followed by a pause of some times as long as it took, so that turns
never wait for it. Any number of workers may do it at once; who comes second finds nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.engine.observer import Observer, Remark, ignore
from torpor.errors import ArchiveError, ConflictError, DamagedError, NotFoundError
from torpor.limits import DELETED_ROWS_MAX
from torpor.model import EndedFilter, Event, LongLogs, Run
from torpor.retention import NAMES_KEPT_MS, Archive, Chosen, KeepLog, Policies, RunArchive, archive_of
from torpor.world import World

_PAUSE: Final = 4
"""How many times as long as a bite the pause is behind it."""

_PAGE: Final = 50
_TOGETHER_MAX: Final = 32
"""Runs that go in one bite, if they are short."""

_ROUNDS: Final = 360
"""Rounds between two looks at all that has ended long ago."""

_SLACK: Final = 100
"""Events that may go before they do: it is not worth while to try a snapshot for less."""

T = TypeVar("T")

ArchiveFor = Callable[[Run], Archive | RunArchive | None]
"""Returns what is given a run that has ended, or its log, before it goes."""

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
        self._looked = Looked()

    async def round(self) -> None:
        """
        Prune what is to be pruned by now.

        Raises:
            WorldError: the next round goes on.
        """
        logs = LivingLogs(self._world, self._verify)
        self._looked.begin()
        for policy, chosen in self._policies.scopes(self._app()):
            if policy.log is not None:
                async for run, through in logs.long(chosen, policy.log):
                    await logs.drop(run, through, policy.log)
            for where, kept_ms in policy.ended(chosen):
                count = await prune(self._world, where, kept_ms, archive_for=policy.archive_for, looked=self._looked)
                if count:
                    told = f"deleted {count} runs that were {where.statuses[0]} for longer than they are kept"
                    self._observe(Remark(logging.INFO, told))


class LivingLogs:
    """
    Drops the beginnings of the logs of runs that go on, each once.

    Args:
        world: an open world.
        verify: tries snapshots.
    """

    def __init__(self, world: World, verify: Verify) -> None:
        self._world, self._verify = world, verify
        self._bites = Bites(world)
        self._seen: set[str] = set()  # what could not go by now cannot for a while

    async def long(self, chosen: Chosen, keep: KeepLog) -> AsyncIterator[tuple[Run, int]]:
        """Yield the runs of whose logs something is to go, with the seq of the last event that is."""
        while True:
            where = LongLogs(
                _SLACK,
                keep.events or 0,
                keep.age_ms(),
                chosen.app,
                chosen.workflow,
                _PAGE + len(self._seen),
                chosen.besides,
            )
            runs = [run for run in await self._world.long_logs(where) if run.id not in self._seen]
            for run in runs:
                self._seen.add(run.id)
                try:
                    through = await self._through(run, keep)
                except (NotFoundError, DamagedError):
                    continue  # it is gone, or damaged
                if through > run.base:
                    yield run, through
            if not runs:
                return

    async def drop(self, run: Run, through: int, keep: KeepLog) -> bool:
        """Let a run's log begin after a seq, and return whether it does."""
        try:
            if not await self._verify(run):
                return False
            await self._bites.archive(run, through, archive_of(keep.archive))
        except (ConflictError, NotFoundError, DamagedError):
            return False  # its guest build is not stored; or it has just ended; or is damaged
        return True

    async def _through(self, run: Run, keep: KeepLog) -> int:
        snapshot = await self._world.snapshot(run.id)
        if snapshot is None:
            return 0
        through = min(run.head - (keep.events or 0), snapshot.cursor)
        return through if keep.age is None else await self._last_before(snapshot.at - keep.age_ms(), run, through)

    async def _last_before(self, at: int, run: Run, through: int) -> int:
        """Return the seq of the last event before a time, up to *through*: times never go back in a log."""
        low, high = run.base, max(run.base, through)
        while low < high:
            middle = (low + high + 1) // 2
            event = (await self._world.events(run.id, after=middle - 1, limit=1))[0]
            low, high = (middle, high) if event.at < at else (low, middle - 1)
        return low


class Looked:
    """
    Since when to look for what is to go: what ended before has gone, but for names that stay, of which there may be
    very many. Once in a while all is looked at again, since something may have arrived with an old end.
    """

    def __init__(self) -> None:
        self._since: dict[EndedFilter, int] = {}
        self._rounds = 0

    def begin(self) -> None:
        """Begin a round."""
        if self._rounds % _ROUNDS == 0:
            self._since.clear()
        self._rounds += 1

    def since(self, where: EndedFilter) -> int:
        """Return when what a filter means has ended at the earliest; nothing, as far as is known, is older."""
        return self._since.get(replace(where, before=0), 0)

    def note(self, where: EndedFilter, until: int) -> None:
        """Note that of what a filter means nothing is left that ended before *until*."""
        self._since[replace(where, before=0, since=0)] = until


async def prune(
    world: World,
    where: EndedFilter,
    kept_ms: int,
    *,
    archive_for: ArchiveFor = lambda _run: None,
    told: Callable[[Run, bool], None] = lambda _run, _named: None,
    looked: Looked | None = None,
) -> int:
    """
    Delete the runs that ended longer ago than they are kept, and return how many that were.

    Of those that ended less than :data:`~torpor.retention.NAMES_KEPT_MS` ago the names stay.

    Args:
        world: an open world.
        where: which; its ``before``, ``since`` and ``whole`` are set here, and its ``limit`` is how many are looked for
            at once.
        kept_ms: how long they are kept.
        archive_for: returns what is given a run, or its log, before.
        told: is told each, and whether its name stays.
        looked: knows what went in earlier rounds.
    """
    bites, looked = Bites(world), looked or Looked()
    now = world.clock.now()
    count = 0
    for keep_name, age in ((False, max(kept_ms, NAMES_KEPT_MS)), (True, kept_ms)):
        if keep_name and kept_ms >= NAMES_KEPT_MS:
            break
        asked = replace(where, before=now - age, since=0, whole=keep_name)
        asked = replace(asked, since=looked.since(asked))
        until = asked.before
        while runs := await world.ended_runs(asked):
            gone = set()
            for together in _groups(runs):
                for run in await bites.delete(together, archive_for, keep_name=keep_name):
                    told(run, keep_name)
                    gone.add(run.id)
            count += len(gone)
            # What is left somebody else is at, or is damaged; it is tried again next time.
            until = min([until, *(run.ended_at for run in runs if run.id not in gone)])
            if not gone:
                break
            asked = replace(asked, since=runs[-1].ended_at)
        looked.note(asked, until)
    return count


def _groups(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Yield runs in groups that have no more events than one bite takes."""
    group: list[Run] = []
    events = 0
    for run in runs:
        size = run.head - run.base
        if group and (events + size > DELETED_ROWS_MAX or len(group) == _TOGETHER_MAX):
            yield group
            group, events = [], 0
        group.append(run)
        events += size
    if group:
        yield group


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

    async def delete(self, runs: Sequence[Run], archive_for: ArchiveFor, *, keep_name: bool) -> list[Run]:
        """
        Delete some runs that have ended in bites which they share, as many rows in each as one run alone could lose;
        return which went: others stay that somebody else has deleted, or that are damaged.

        Raises:
            ArchiveError: a run or its log could not be archived; it stays, and so do the others.
        """
        left = await self._archived(runs, archive_for)
        gone: list[Run] = []
        while left:
            rows_max = max(1, DELETED_ROWS_MAX // len(left))
            ends = await self._bite(lambda left=left, most=rows_max: self._delete_some(left, most, keep_name=keep_name))  # type: ignore[misc]  # mypy#15459
            gone += [run for run, end in zip(left, ends, strict=True) if end is True]
            left = [run for run, end in zip(left, ends, strict=True) if end is False]
        return gone

    async def _delete_some(self, runs: Sequence[Run], rows_max: int, *, keep_name: bool) -> list[bool | None]:
        """Return of each run whether all of it is gone now, None of one that others have, or that is damaged."""

        async def delete(run: Run) -> bool | None:
            try:
                return await self._world.delete_run(run.id, keep_name=keep_name, rows_max=rows_max)
            except (ConflictError, NotFoundError, DamagedError):
                return None

        return await asyncio.gather(*map(delete, runs))  # worlds make one transaction of what comes together

    async def _archived(self, runs: Sequence[Run], archive_for: ArchiveFor) -> list[Run]:
        """Archive runs that are to be; return those that may go: neither gone nor damaged."""
        may_go: list[Run] = []
        whole: dict[RunArchive, list[Run]] = {}
        for run in runs:
            archive = archive_for(run)
            if archive is None or run.head - run.base <= 1 < run.head:  # only its name was kept, the rest is there
                may_go.append(run)
            elif isinstance(archive, RunArchive):
                whole.setdefault(archive, []).append(run)
            elif await self._is_log_archived(run, archive):
                may_go.append(run)
        for archive, some in whole.items():
            may_go += await self._bite(lambda archive=archive, some=some: _kept(archive, self._world, some))  # type: ignore[misc]  # mypy#15459
        return may_go

    async def _is_log_archived(self, run: Run, archive: Archive) -> bool:
        try:
            await self._archive_all(run, archive)
        except (NotFoundError, DamagedError):
            return False
        return True

    async def _archive_all(self, run: Run, archive: Archive) -> None:
        after = run.base
        while events := await self._world.events(run.id, after=after, limit=DELETED_ROWS_MAX):
            await _given(archive, run.id, events)
            after = events[-1].seq

    async def _bite(self, work: Callable[[], Awaitable[T]]) -> T:
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


async def _kept(archive: RunArchive, world: World, runs: list[Run]) -> list[Run]:
    """
    Have whole runs archived, and return those that are.

    Raises:
        ArchiveError: that failed; all of them stay.
    """
    try:
        return await archive.keep(world, runs)
    except Exception as error:
        raise ArchiveError(f"run {runs[0].id} could not be archived, and stays: {error}") from error
