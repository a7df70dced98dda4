"""
Going to any moment of a run's life, in a VM that is thrown away afterwards.

Nothing here writes to the world. A traveller keeps its VM and marks of where it has been, so that a second moment costs
little; it holds some megabytes and must be closed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.errors import remembered_traceback
from torpor.engine.images import Images
from torpor.engine.past import Past
from torpor.engine.threads import VmThreads
from torpor.errors import BuildMissingError, ConfigurationError, TorporError, UsageError, VmError
from torpor.lifecycle import TRANSITIONS, RunStatus, entity_of
from torpor.model import Event, LogEntry, RunState
from torpor.moments import Difference, Line, Moment, SnapshotSize, difference, position_of
from torpor.run_info import RunInfo
from torpor.vm.guest import Evaluation, MakeGuest, TaskStack
from torpor.world import World

BEFORE_THE_END: Final = 3
"""How many events before its end a failed run is looked for that stands somewhere."""

LINES_MAX: Final = 200
"""Lines of output that a moment has."""


class Traveller:
    """
    Goes to moments of one run; see :func:`travelling`. One call at a time.

    Attributes:
        run: the run when it was read.
    """

    def __init__(self, world: World, state: RunState, past: Past, threads: VmThreads, run_codec: RunCodec) -> None:
        self.run = RunInfo.of(state.run)
        self._world, self._past, self._threads, self._run_codec = world, past, threads, run_codec
        self._events: list[Event] = list(state.events)
        self._lines: list[LogEntry] | None = None

    @property
    def first(self) -> int:
        """The first place that can be shown: 1, or that of the snapshot where the log has lost its beginning."""
        return self._past.first

    @property
    def last(self) -> int:
        """The newest place, as the log was when it was read; a later one is looked for when it is asked for."""
        return self._past.last

    @property
    def seq(self) -> int:
        """Where it is; 0 before it went anywhere."""
        return self._past.seq

    async def at(self, seq: int) -> Moment:
        """
        Return the run as it was after event *seq*; a negative number counts from the end, -1 is the newest.

        Raises:
            UsageError: the log does not tell of that place, or not any more; the message says of which it does.
            DivergenceError: the replay does not agree with the log.
            DamagedError: the log cannot be read.
            VmError, HostError: the VM cannot be brought there.
        """
        seq = await self._place(seq)
        tasks, problem, size = await self._threads.run(self._looked, seq)
        before, output = await self._output(self._past.lines)
        event = self._event(seq)
        return Moment(
            run_id=self.run.id,
            seq=seq,
            at=event.at if event else 0,
            event=event.type if event else "",
            status=_status(self._events, seq),
            tasks=tuple(tasks),
            position=position_of(tasks),
            output=output,
            lines_before=before,
            first=self.first,
            last=self.last,
            problem=problem,
            snapshot_bytes=size,
        )

    async def sizes(self, *, whole: bool = True) -> list[SnapshotSize]:
        """
        Return how large the run was at the places that were passed on the way: every fiftieth one, of a short run more.

        Args:
            whole: go all the way first; else what has been passed by now is told.

        Raises:
            DamagedError: the log cannot be read.
        """
        await self._place(-1)
        found = await self._threads.run(self._measured, whole)
        told = ((seq, self._event(seq), size) for seq, size in found)
        return [SnapshotSize(seq, event.at if event else 0, size) for seq, event, size in told]

    async def ending(self) -> Moment:
        """
        Return the newest moment; of a run that failed, of which that tells no functions, where it stood shortly before.

        Raises:
            DivergenceError, DamagedError, VmError, HostError: as :meth:`at`.
        """
        newest = await self.at(-1)
        if newest.status == "failed" and not newest.tasks:
            for seq in range(newest.seq - 1, max(self.first, newest.seq - BEFORE_THE_END) - 1, -1):
                earlier = await self.at(seq)
                if earlier.tasks:
                    return earlier
        return newest

    async def difference(self, before: int, after: int) -> Difference:
        """
        Return what differs between two places, the earlier one first.

        Raises:
            UsageError, DivergenceError, DamagedError, VmError, HostError: as :meth:`at`.
        """
        places = sorted([await self._place(before), await self._place(after)])
        return difference(*[await self.at(seq) for seq in places])

    async def go(self, seq: int) -> None:
        """
        Bring the VM to a place, for :meth:`evaluate`.

        Raises:
            UsageError, DivergenceError, DamagedError, VmError, HostError: as :meth:`at`.
        """
        await self._threads.run(self._past.go, await self._place(seq))

    async def evaluate(self, source: str) -> Evaluation:
        """
        Run code where :meth:`go` went, in the scope of the workflow; what it changes stays until it goes elsewhere.

        Raises:
            VmError: a limit was passed; go there again.
        """
        return await self._threads.run(self._past.evaluate, source)

    async def events(self, first: int, last: int) -> Sequence[Event]:
        """Return the events of the log from one place to another, as they are stored."""
        await self._place(last)
        return [event for event in self._events if first <= event.seq <= last]

    async def close(self) -> None:
        """Give the VM back."""
        await self._threads.run(self._past.release)

    def _looked(self, seq: int) -> tuple[list[TaskStack], str, int]:
        """Return the tasks at a place, or why there are none, and the size of a snapshot; called in a VM thread."""
        past = self._past
        tasks: list[TaskStack] = []
        problem = ""
        try:
            past.go(seq)
            tasks = past.stack()
        except ConfigurationError as error:  # a guest build that cannot tell
            problem = "" if past.ended else str(error)
        except VmError as error:
            problem = remembered_traceback(error) or str(error)
        return tasks, problem, past.size

    def _measured(self, whole: bool) -> list[tuple[int, int]]:
        """Return the sizes of snapshots by place; called in a VM thread."""
        if whole:
            with suppress(TorporError):  # what it was before the place that cannot be reached is known
                self._past.go(self._past.last)
        return self._past.sizes()

    async def _place(self, seq: int) -> int:
        """Return a place as it is counted from the beginning, with the log read up to there."""
        is_known = 0 <= seq <= self._past.last
        if not is_known and (new := await self._world.events(self.run.id, after=self._past.last)):
            self._events += new
            self._lines = None
            await self._threads.run(self._past.extend, new)
        return seq if seq >= 0 else self._past.last + 1 + seq

    async def _output(self, lines: int) -> tuple[int, tuple[Line, ...]]:
        """Return the newest of the lines up to a number, and how many there are before."""
        if self._lines is None:
            self._lines = [entry for entry in await self._world.log_entries(self.run.id) if entry.n > 0]
        end = bisect_right(self._lines, lines, key=lambda entry: entry.n)
        begin = max(0, end - LINES_MAX)
        unpack = self._run_codec.unpack_text
        told = (Line(entry.n, entry.at, entry.level, unpack(entry.text)) for entry in self._lines[begin:end])
        return begin, tuple(told)

    def _event(self, seq: int) -> Event | None:
        index = bisect_right(self._events, seq, key=lambda event: event.seq) - 1
        return self._events[index] if index >= 0 and self._events[index].seq == seq else None


@asynccontextmanager
async def travelling(world: World, guests: MakeGuest, run_id: str, keyring: Keyring) -> AsyncIterator[Traveller]:
    """
    Have a traveller in the life of a run for the time of the block, whether the run goes on or has ended.

    Args:
        world: an open world.
        guests: gives the installed guests, and makes others.
        run_id: which run.
        keyring: opens what is encrypted.

    Raises:
        RunNotFoundError: no such run.
        KeyMissingError: the run's key is not here.
        UsageError: its log does not tell anything any more.
        BuildMissingError: the run's guest build is nowhere, and its log does not make up for that.
        ProgramMissingError, ConfigurationError, HostError: its program cannot be loaded.
    """
    state = await _whole(world, run_id)
    threads = VmThreads(1)
    images = Images(world, guests, threads, keyring, build_wait_seconds=None)
    try:
        try:
            guest, image = await images.of(state)
        except BuildMissingError:
            if state.snapshot is not None:
                raise
            guest, image = await images.installed(state.run)
        run_codec = keyring.run(run_id, state.run.key_id)
        traveller = Traveller(world, state, Past(guest, image, state, run_codec), threads, run_codec)
        try:
            yield traveller
        finally:
            await traveller.close()
    finally:
        images.builds.close()
        threads.shutdown()


async def _whole(world: World, run_id: str) -> RunState:
    """
    Return a run with its whole log, or with its snapshot and what of its log lies behind that.

    Raises:
        RunNotFoundError, UsageError: as :func:`travelling`.
    """
    state = await world.load(run_id)
    run = state.run
    if not run.base:
        return RunState(state.held, None, await world.events(run_id, limit=run.head))
    if state.snapshot is None or state.snapshot.cursor < run.base:
        raise UsageError(
            f"the log of run {run_id} begins after event {run.base}, and it has no snapshot there, so that none of its "
            f"moments can be shown any more; torpor inspect {run_id} shows what is left of it"
        )
    return RunState(state.held, state.snapshot, await world.events(run_id, after=run.base))


def _status(events: Sequence[Event], seq: int) -> RunStatus:
    """Return the state of a run after an event."""
    status = ""
    for event in events:
        if event.seq > seq:
            break
        if entity_of(event.type) == "run":
            status = TRANSITIONS[event.type][1] or status
    return status or "running"  # type: ignore[return-value]  # the states of runs are what the table has
