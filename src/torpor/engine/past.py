"""
A run's past: its log up to any place, replayed in a VM of its own.

A VM is a pure function of what was delivered to it, so the VM that has got the log up to a place is the one that stood
there. What was passed on the way is marked now and then, so that a place near one that was visited is near again. All
here is synchronous and runs in a VM thread.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from torpor import limits
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.moves import TooMuchAtOnceError
from torpor.engine.session import Mark, Session
from torpor.errors import UsageError, VmError
from torpor.lifecycle import INPUTS
from torpor.model import Entities, Event, RunState, Snapshot, standing
from torpor.vm.guest import Evaluation, Guest, Image, TaskStack

EVENTS_BETWEEN_MARKS: Final = 50
"""Events after which a replay marks where it is, at first; a long run makes it more, a short one less."""

MARKS_WANTED: Final = 40
"""Marks that a replay of a short run makes at least, where it has so many events: they tell how large it was."""

MARK_BYTES_MAX: Final = 64 * limits.MIB
"""What all marks of one past may have; then every second one goes."""

LINES_MAX: Final = 2**53 - 1
"""In place of a run's lines in a replay that stores none: as if all of them were there."""


T = TypeVar("T")


def within_limits(replay: Callable[[int], T]) -> T:
    """Return what a replay tells that is told how many events to deliver at once: many, one if many are too much."""
    try:
        return replay(limits.EVENTS_PER_CALL)
    except TooMuchAtOnceError:
        return replay(1)


class _Marked(msgspec.Struct, frozen=True):
    """A mark, the place where it was set, and how many retries of the run lay before it."""

    seq: int
    era: int
    mark: Mark


class Past:
    """
    A VM that goes to any place of a run's log, forwards and back.

    Args:
        guest, image: what the run ran in.
        state: the run, the snapshot to begin at if its log does not, and all of the log behind that.
        run_codec: opens what is encrypted.

    Attributes:
        first: the first place that can be gone to.
        last: the last one.
        seq: where the VM is, 0 before the first :meth:`go`.
    """

    def __init__(self, guest: Guest, image: Image, state: RunState, run_codec: RunCodec) -> None:
        self._guest, self._image, self._run_codec = guest, image, run_codec
        self._state = state
        self._events: list[Event] = list(state.events)
        self._session: Session | None = None
        self._era = -1
        self._line: Sequence[Event] = ()
        self._marks: list[_Marked] = []
        self._sizes: dict[int, int] = {}
        self._spoiled = False
        self._events_per_call = limits.EVENTS_PER_CALL
        self.first = state.snapshot.cursor if state.snapshot is not None else 1
        self.last = state.run.head
        self.seq = 0
        self._between = max(1, min(EVENTS_BETWEEN_MARKS, (self.last - self.first) // MARKS_WANTED))

    def extend(self, events: Iterable[Event]) -> None:
        """Take in what was appended to the log behind its last event."""
        self._events += events
        self.last = max(self.last, self._events[-1].seq if self._events else 0)
        self._leave()  # it knows what is recorded up to where the log had ended

    def go(self, seq: int) -> None:
        """
        Bring the VM to where it stood once it had got the events up to *seq*.

        Raises:
            UsageError: the log tells nothing of that place.
            DivergenceError, DamagedError, VmError, SnapshotError: as :meth:`torpor.engine.session.Session.wake`.
        """
        if not self.first <= seq <= self.last:
            raise UsageError(
                f"run {self._state.run.id} can be shown after events {self.first} to {self.last}, not after event {seq}"
            )
        try:
            self._go(seq)
        except TooMuchAtOnceError:
            self._events_per_call = 1
            self._leave()
            self.go(seq)
        except BaseException:
            self._spoiled = True
            raise

    def stack(self) -> list[TaskStack]:
        """
        Return what the tasks wait for where the VM is; where it has failed, where that was raised.

        The place is marked, so that it is near again.
        """
        session = self._session
        assert session is not None, "it has gone somewhere"
        assert not self._spoiled, "nobody has looked since"
        self._mark(session)
        self._spoiled = True
        found = session.stack()
        has_failed = session.ended and any(event.type == "run_failed" for event in self._line)
        return self._raised() if has_failed and not found else found

    def evaluate(self, source: str) -> Evaluation:
        """Run code where the VM is; what it changes stays until the VM goes elsewhere."""
        session = self._session
        assert session is not None, "it has gone somewhere"
        self._spoiled = True
        return session.evaluate(source)

    @property
    def lines(self) -> int:
        """Number of the last line that workflow code had written where the VM is."""
        return self._session.logs if self._session is not None else 0

    @property
    def ended(self) -> bool:
        """Whether the workflow's code had ended where the VM is."""
        return self._session is not None and self._session.ended

    def sizes(self) -> list[tuple[int, int]]:
        """
        Return how many bytes a snapshot would be stored in, place by place, of all places that are marked.

        Places behind the end of the workflow's code are left out: nothing is stored there.
        """
        for marked in self._marks:
            self._measure(marked)
        return sorted(self._sizes.items())

    @property
    def size(self) -> int:
        """How many bytes a snapshot would be stored in where the VM is, 0 where that is not marked."""
        for marked in self._marks:
            if marked.seq == self.seq:
                self._measure(marked)
        return self._sizes.get(self.seq, 0)

    def release(self) -> None:
        """Give the VM back; may be called twice."""
        self._leave()
        self._marks.clear()

    def _go(self, seq: int) -> None:
        era = self._era_of(seq)
        session = self._session
        if session is None or era != self._era:
            session = self._enter(era)
        nearest = self._nearest(seq, era)
        goes_on = 0 < self.seq <= seq and not self._spoiled
        if nearest is not None and not (goes_on and self.seq >= nearest.seq):
            session.back(nearest.mark)
            self.seq, self._spoiled = nearest.seq, False
        elif not goes_on:
            session.start(0)
            self.seq, self._spoiled = self.first, False
            self._mark(session)
        self._feed(session, seq)

    def _raised(self) -> list[TaskStack]:
        """Let another VM go through the end of a run that failed, watched, and return where that was raised."""
        session = self._made()
        try:
            session.watch()
            alive = [each for each in self._marks if not each.mark.ended and each.era == self._era]
            nearest = max((each for each in alive if each.seq <= self.seq), key=_seq_of, default=None)
            if nearest is not None:
                session.back(nearest.mark)
            else:
                session.start(0)
            begin, end = nearest.seq if nearest is not None else self.first, self.seq
            undelivered: Sequence[Event] = [
                event for event in self._line if begin < event.seq <= end and event.type in INPUTS
            ]
            while undelivered:
                undelivered = session.advance(undelivered, 0).left
            return session.stack()
        except VmError:  # to be watched takes time, too
            return []
        finally:
            session.release()

    def _feed(self, session: Session, seq: int) -> None:
        """Deliver what lies between where the VM is and *seq*, and set marks."""
        line = self._line
        at, end = (bisect_right(line, place, key=_seq_of) for place in (self.seq, seq))
        while at < end:
            piece = line[at : at + self._between] if self._between < end - at else line[at:end]
            undelivered: Sequence[Event] = [event for event in piece if event.type in INPUTS]
            while undelivered:
                undelivered = session.advance(undelivered, 0).left
            at += len(piece)
            self.seq = piece[-1].seq
            if len(piece) == self._between:
                self._mark(session)
        self.seq = seq

    def _measure(self, marked: _Marked) -> None:
        if marked.seq not in self._sizes and not marked.mark.ended:
            self._sizes[marked.seq] = len(self._run_codec.pack_binary(marked.mark.delta))

    def _enter(self, era: int) -> Session:
        """Have and return a session that knows what is recorded between two retries."""
        self._leave()
        retries = self._retries()
        until = retries[era].seq if era < len(retries) else self.last + 1
        self._line = standing([event for event in self._events if event.seq < until])
        self._era = era
        session = self._session = self._made()
        return session

    def _made(self) -> Session:
        """Return a session that knows what is recorded of the present past."""
        snapshot = self._state.snapshot
        ops = max((event.op for event in self._line if event.digest), default=snapshot.ops if snapshot else 0)
        # Lines are counted here, and read from the world.
        run = replace(self._state.run, ops=ops, logs=LINES_MAX)
        state = RunState(Entities(run), snapshot, list(self._line))
        return Session(
            self._guest,
            self._image,
            state,
            self._run_codec,
            url="",
            events_per_call=self._events_per_call,
            allows=lambda _: True,  # what is asked for goes nowhere
        )

    def _leave(self) -> None:
        session, self._session = self._session, None
        self.seq, self._spoiled = 0, False
        if session is not None:
            session.release()

    def _retries(self) -> list[Event]:
        return [event for event in self._events if event.type == "run_retried"]

    def _era_of(self, seq: int) -> int:
        return sum(event.seq <= seq for event in self._retries())

    def _nearest(self, seq: int, era: int) -> _Marked | None:
        """Return the last mark up to a place that is of the same past: what lies between was not taken back."""
        retries = self._retries()
        found: _Marked | None = None
        for marked in self._marks:
            low, high = sorted((marked.era, era))
            taken_back = min((int(event.ref) for event in retries[low:high]), default=self.last + 1)
            if marked.seq <= seq and marked.seq < taken_back and (found is None or marked.seq > found.seq):
                found = marked
        return found

    def _mark(self, session: Session) -> None:
        if any(marked.seq == self.seq and marked.era == self._era for marked in self._marks):
            return
        self._marks.append(_Marked(self.seq, self._era, session.mark()))
        while sum(len(marked.mark.delta) for marked in self._marks) > MARK_BYTES_MAX and len(self._marks) > 1:
            ordered = sorted(self._marks, key=_seq_of)
            self._marks = ordered[::2]  # the first one stays: no other way leads back there as fast
            self._between *= 2


def _seq_of(each: Event | _Marked) -> int:
    return each.seq


def beginning(state: RunState, snapshot: Snapshot | None, events: Sequence[Event]) -> RunState:
    """Return a run as :class:`Past` takes it: from its log's beginning, else from its snapshot on."""
    return RunState(state.held, snapshot if state.run.base else None, list(events))
