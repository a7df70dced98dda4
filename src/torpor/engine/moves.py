"""
What a turn and its driver say to one another: the turn asks one question at a time, and is told what happened.

Nothing here does anything. A question stands for what takes time (a world, a VM, steps that run), an effect for what is
done at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from torpor.engine.attempts import Attempt
from torpor.engine.observer import Observation, TurnEnd
from torpor.model import Commit, Committed, Entities, Event, Finished, LogEntry, RunState, Snapshot
from torpor.vm.guest import Program


class Around(msgspec.Struct, frozen=True):
    """
    What a turn sees of its surroundings at one moment.

    Attributes:
        now: the world's time, epoch milliseconds.
        steady: milliseconds of a clock that does not jump.
        stopping: turns are to park as soon as they can.
        crowded: runs wait for a turn, and there is none left for them here.
        room: how many more steps may begin inline.
        running: the steps that this turn stays hot for: they run, or their outcome was not taken yet.
    """

    now: int
    steady: int
    stopping: bool
    crowded: bool
    room: int
    running: tuple[str, ...]


class Requests(msgspec.Struct, frozen=True):
    """
    What the VM asks for, ready to be committed.

    Attributes:
        outputs: records of new ops; last, when the workflow ended, the run's ending.
        ops, logs: totals so far.
        log_entries: new lines.
        ended: the workflow has returned or thrown.
        awaits_ack: the guest waits for the answer to one of the outputs.
        received, receiving: see :class:`torpor.model.Run`.
        left: events that the VM has not got yet, because what it asked for has to be stored first.
        given_up: numbers of ops that it does not wait for any more, of steps if they are open.
    """

    outputs: tuple[Event, ...]
    ops: int
    logs: int
    log_entries: tuple[LogEntry, ...]
    ended: bool
    awaits_ack: bool
    received: int = 0
    receiving: tuple[str, ...] = ()
    left: tuple[Event, ...] = ()
    given_up: tuple[int, ...] = ()


NOTHING_ASKED: Final = Requests((), 0, 0, (), ended=False, awaits_ack=False)


class TooMuchAtOnceError(Exception):
    """
    Several events delivered together passed a limit that each of them alone may keep.

    A hot run gets its events a few at a time, a replay many; what was within the limits then must be so again.
    """


# Questions


class Load(msgspec.Struct, frozen=True):
    """
    What has the world of the run? Answered by :class:`~torpor.model.RunState`.

    Attributes:
        forget_snapshot: its snapshot is dropped first.
    """

    forget_snapshot: bool = False


class ReadLog(msgspec.Struct, frozen=True):
    """What is in its log from the beginning? Answered by :class:`LogRead`."""


class Wake(msgspec.Struct, frozen=True):
    """
    Bring a VM to the end of the log. Answered by :class:`Woken`.

    Attributes:
        state: what the world has of the run.
        at: the time of what the VM asks for, epoch milliseconds.
        installed: take the guest build that is installed here, whatever the run's was.
        checkpoint: a snapshot of another guest build, with which the replay has to agree where it was taken.
        events_per_call: how many events are delivered in one call into the VM.
    """

    state: RunState
    at: int
    installed: bool
    checkpoint: Snapshot | None
    events_per_call: int


class Deliver(msgspec.Struct, frozen=True):
    """Let the VM have these events, in this order. Answered by :class:`Delivered`."""

    events: tuple[Event, ...]


class Save(msgspec.Struct, frozen=True):
    """Take a snapshot. Answered by :class:`Saved`."""


class Store(msgspec.Struct, frozen=True):
    """Store a commit of who knows of the run what *held* says. Answered by :class:`~torpor.model.Committed`."""

    commit: Commit
    held: Entities


class Listen(msgspec.Struct, frozen=True):
    """
    What comes of steps that run here within so many milliseconds? Answered by :class:`Heard`.

    Attributes:
        ms: how many.
        hurried_ms: how many when others want the turn to go to sleep.
    """

    ms: int
    hurried_ms: int


class Snooze(msgspec.Struct, frozen=True):
    """Give the run back for a while. Answered by :class:`Snoozed`."""

    delay_ms: int
    why: str


class Pause(msgspec.Struct, frozen=True):
    """Let time pass before the next question. Answered by :class:`Paused`."""

    ms: int
    then: Load | Snooze


class End(msgspec.Struct, frozen=True):
    """The turn is over."""

    how: TurnEnd


Question: TypeAlias = Load | ReadLog | Wake | Deliver | Save | Store | Listen | Snooze | Pause | End


# Happenings


class LogRead(msgspec.Struct, frozen=True):
    """Its log is read."""

    events: Sequence[Event]


class Woken(msgspec.Struct, frozen=True):
    """
    A VM of this guest build has the log behind it. A snapshot was taken if the turn wanted one.

    Attributes:
        deaf: the build cannot tell workflow code of a cancellation.
    """

    program: Program
    build: str
    requests: Requests
    snapshot: Snapshot | None
    deaf: bool = False


class Delivered(msgspec.Struct, frozen=True):
    """The VM has the events, but for what its requests have left."""

    requests: Requests
    snapshot: Snapshot | None


class Saved(msgspec.Struct, frozen=True):
    """The snapshot is taken."""

    snapshot: Snapshot


class Heard(msgspec.Struct, frozen=True):
    """
    What came of steps in time.

    Attributes:
        outcomes: of inline steps, in the order in which they came.
        stored: what steps have stored themselves, in the order of the log.
    """

    outcomes: Sequence[Event]
    stored: tuple[Finished, ...] = ()


class Snoozed(msgspec.Struct, frozen=True):
    """The run is given back."""


class Paused(msgspec.Struct, frozen=True):
    """The time has passed."""


class Failed(msgspec.Struct, frozen=True):
    """There is no answer, because of an error; *build* is that of the VM that failed to wake."""

    error: Exception
    build: str = ""


Happening: TypeAlias = RunState | LogRead | Woken | Delivered | Saved | Committed | Heard | Snoozed | Paused | Failed


# Effects


class Tell(msgspec.Struct, frozen=True):
    """Observers are told."""

    observation: Observation


class Begin(msgspec.Struct, frozen=True):
    """An attempt begins, whose ``step_started`` or ``step_created`` is stored."""

    attempt: Attempt


class HandOver(msgspec.Struct, frozen=True):
    """Outcomes of these steps are stored on their own from now on."""

    step_ids: tuple[str, ...]


class ForgetAllBut(msgspec.Struct, frozen=True):
    """Outcomes of other steps than these are not wanted any more."""

    step_ids: frozenset[str]


class PutBack(msgspec.Struct, frozen=True):
    """These outcomes could not be stored yet, and will be taken again."""

    outcomes: tuple[Event, ...]


class CancelSteps(msgspec.Struct, frozen=True):
    """Attempts that the turn still owns end."""


class GiveUp(msgspec.Struct, frozen=True):
    """Attempts of these steps end, and nobody wants their outcomes: the run has given the steps up."""

    step_ids: tuple[str, ...]


class LeaveStep(msgspec.Struct, frozen=True):
    """This worker does not claim this step for a while, because it is for another."""

    step_id: str


class Release(msgspec.Struct, frozen=True):
    """The VM, if there is one, is not needed any more."""


class HostLacks(msgspec.Struct, frozen=True):
    """This host lacks something; the worker claims no runs for a while."""

    error: Exception


Effect: TypeAlias = (
    Tell | Begin | HandOver | ForgetAllBut | PutBack | CancelSteps | GiveUp | LeaveStep | Release | HostLacks
)


class Moves(msgspec.Struct, frozen=True):
    """What a turn wants: first the effects, in this order, then an answer."""

    asked: Question
    effects: tuple[Effect, ...] = ()
