"""
What becomes of a run whose turn failed: the one place that says whose doing an error is.

Only what the run itself did may fail it: its code trapped or passed a limit, its program does not load, its log does
not say what its code says. All else is somebody else's: this host lacks memory, this worker lacks a key, the world
cannot be reached, we have a bug. Then the run is well, and is *snoozed*: given back, for a while and for any worker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from torpor import limits
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.errors import remember_traceback, remembered_traceback
from torpor.engine.moves import (
    CancelSteps,
    Effect,
    End,
    HostLacks,
    Load,
    Moves,
    Pause,
    Requests,
    Snooze,
    Tell,
    TooMuchAtOnceError,
)
from torpor.engine.observer import Remark, RunRebuilt, RunSnoozed
from torpor.engine.retry import Failures
from torpor.engine.steps import encode_error
from torpor.errors import (
    BuildMissingError,
    BuildPendingError,
    ConfigurationError,
    ConflictError,
    CpuLimitError,
    DamagedError,
    DivergenceError,
    EntityConflictError,
    GuestTrapError,
    HostError,
    LeaseLostError,
    LimitExceededError,
    MaxDeliveriesError,
    MemoryLimitError,
    NotAllowedError,
    OutputLimitError,
    ProgramError,
    ProgramMissingError,
    SerializationError,
    SnapshotError,
    StackLimitError,
    TorporError,
    VmError,
    VmInterruptedError,
    WorldError,
)
from torpor.model import Event, Run, Task
from torpor.retries import Backoff

_WORLD_BACKOFF = Backoff(first=0.1, most=30.0)
_SNOOZE_BACKOFF = Backoff(first=1.0, most=300.0)
_WORLD_FAILURES_MAX = 8
_BUGS_MAX = 3


class Answer(Enum):
    """What follows from an error."""

    FAIL = auto()
    """The run did it, and ends with it."""

    REBUILD = auto()
    """Its snapshot did it: the run goes on from its log."""

    ONE_BY_ONE = auto()
    """It got too much at once: the same again, event by event."""

    LEAVE = auto()
    """The claim is another's now, or goes with this worker: nothing is done."""

    RETRY = auto()
    """The world did it, or we: again soon; after some tries, snooze."""

    SNOOZE = auto()
    """This worker or its host lacks something, which another may have, or this one later."""


ANSWERS: Final[tuple[tuple[tuple[type[Exception], ...], Answer], ...]] = (
    ((TooMuchAtOnceError,), Answer.ONE_BY_ONE),
    ((SnapshotError,), Answer.REBUILD),
    ((LeaseLostError, VmInterruptedError), Answer.LEAVE),
    ((CpuLimitError, MemoryLimitError, StackLimitError, OutputLimitError, LimitExceededError), Answer.FAIL),
    ((GuestTrapError, NotAllowedError, ProgramError, SerializationError, MaxDeliveriesError), Answer.FAIL),
    ((HostError, MemoryError, OSError, ConfigurationError), Answer.SNOOZE),
    ((ProgramMissingError, BuildMissingError, BuildPendingError, DamagedError, DivergenceError), Answer.SNOOZE),
    ((Exception,), Answer.RETRY),
)
"""The first line that has an error's class says what follows."""


def answer_to(error: Exception) -> Answer:
    """Return what follows from an error of a turn."""
    return next(answer for kinds, answer in ANSWERS if isinstance(error, kinds))


class Recovery:
    """
    What the failures of one turn have led to; one pass over the run leaves it to the next.

    Args:
        task: the claim.
        worker_id: whose it is.
        draw: returns a number in [0, 1), by which pauses are spread.

    Attributes:
        fatal: why the run must fail without being woken.
        note: a line for the run's own log.
        note_level: how grave that is.
        forget_snapshot: delete the snapshot before anything else.
        events_per_call: how many events are delivered in one call into the VM.
    """

    def __init__(self, task: Task, worker_id: str, draw: Callable[[], float]) -> None:
        self._task, self._worker_id, self._draw = task, worker_id, draw
        self.fatal = _too_many_redeliveries(task)
        self.note = ""
        self.note_level = "error"
        self.forget_snapshot = False
        self.events_per_call = limits.EVENTS_PER_CALL
        self._rebuilt = False
        self._world, self._engine, self._giving_back = (
            Failures(_WORLD_BACKOFF, f"run {task.run_id}: {what}")
            for what in ("the world", "the engine", "giving it back")
        )

    def went_well(self) -> None:
        """Take note that a pass came to its end: failures that come later have nothing to do with earlier ones."""
        self._world.succeeded()

    def after(self, error: Exception, run: Run | None) -> Moves:
        """
        Return what follows from an error.

        Args:
            error: why a pass did not come to its end.
            run: the run as that pass found it, None when it could not be loaded.
        """
        run_id = self._task.run_id
        match self._answer(error, run):
            case Answer.ONE_BY_ONE:
                self.events_per_call = 1
                told = f"run {run_id}: {error}; events are delivered one by one now"
                return self._again(Tell(Remark(logging.INFO, told)))
            case Answer.REBUILD:
                self.note = f"the snapshot could not be restored and the run was rebuilt from its log: {error}"
                self.note_level = "error"
                self.forget_snapshot = self._rebuilt = True
                return self._again(Tell(RunRebuilt(run_id, self.note)))
            case Answer.LEAVE:
                told = f"run {run_id}: this worker goes on with it no more: {error}"
                return Moves(End("left"), (Tell(Remark(logging.INFO, told)), CancelSteps()))
            case Answer.FAIL:
                self.fatal = error
                return self._again()
            case Answer.RETRY:
                return self._tries_again(error, run)
            case Answer.SNOOZE:
                return self._snoozes(error, run)

    def not_snoozed(self, error: Exception, asked: Snooze) -> Moves:
        """
        Return what follows when a run could not be given back: nobody else may take it while this worker lives.

        Raises:
            Exception: the error, if neither the world nor a lost claim explains it.
        """
        if isinstance(error, DamagedError):  # nobody can claim it either before it is mended, for which workers stop
            remark = f"run {self._task.run_id}: it cannot be given back: {error}"
            return Moves(End("left"), (Tell(Remark(logging.WARNING, remark)),))
        if isinstance(error, WorldError):
            told = self._giving_back.note(error, self._draw())
            return Moves(Pause(told.delay_ms, asked), (Tell(told),))
        if isinstance(error, (LeaseLostError, EntityConflictError)):
            remark = f"run {self._task.run_id}: it need not be given back any more: {error}"
            return Moves(End("left"), (Tell(Remark(logging.INFO, remark)),))
        raise error

    def _answer(self, error: Exception, run: Run | None) -> Answer:
        answer = answer_to(error)
        if answer is Answer.REBUILD and run is not None and run.base:
            return Answer.SNOOZE  # the log does not tell the beginning any more: the snapshot is all there is
        if answer is Answer.REBUILD and self._rebuilt:
            return Answer.RETRY
        if answer is Answer.FAIL and self.fatal is not None:
            return Answer.RETRY  # it could not even fail
        return answer

    def _again(self, *effects: Effect) -> Moves:
        return Moves(Load(self.forget_snapshot), effects)

    def _tries_again(self, error: Exception, run: Run | None) -> Moves:
        """Wait a little, unless that was done often enough."""
        is_worlds = isinstance(error, (WorldError, ConflictError))
        failures, most = (self._world, _WORLD_FAILURES_MAX) if is_worlds else (self._engine, _BUGS_MAX)
        if failures.count == most:
            return self._snoozes(error, run)
        told = failures.note(error, self._draw())
        return Moves(Pause(told.delay_ms, Load(self.forget_snapshot)), (Tell(told),))

    def _snoozes(self, error: Exception, run: Run | None) -> Moves:
        """Give the run back, for longer each time in a row; what its turn has begun here ends."""
        times = 1 if run is None else run.snoozes + 1
        delay = _SNOOZE_BACKOFF.delay_ms(times, self._draw())
        why = str(error)
        if not isinstance(error, TorporError):  # its text may be of the run's payloads
            why = f"{type(error).__name__}, an error of Torpor's own; see the log of worker {self._worker_id}"
        effects: list[Effect] = [CancelSteps(), Tell(RunSnoozed(self._task.run_id, why, delay, times))]
        if isinstance(error, (HostError, MemoryError, OSError)):
            effects.append(HostLacks(error))
        return Moves(Snooze(delay, why), tuple(effects))


def failed(error: Exception, at: int, run_codec: RunCodec) -> Requests:
    """Return, in place of what a VM asks for, the end of a run whose VM or log failed, with the error's code."""
    code = "RUNTIME_ERROR"
    if isinstance(error, (VmError, LimitExceededError, NotAllowedError, MaxDeliveriesError)):
        code = error.code
    if code in (
        "LIMIT_EXCEEDED",
        "QUOTA_EXCEEDED",
    ):  # the run's own doing: the engine's lines, and the trap, tell its author nothing
        told, error = remembered_traceback(error), type(error)(*error.args)
        remember_traceback(error, told)  # where workflow code was, if its guest tells
    event = Event("run_failed", at, name=code, payload=encode_error(error, run_codec))
    return Requests((event,), 0, 0, (), ended=True, awaits_ack=False)


def _too_many_redeliveries(task: Task) -> Exception | None:
    if task.redeliveries <= limits.REDELIVERIES_MAX:
        return None
    return MaxDeliveriesError(
        f"run {task.run_id} was taken up {task.redeliveries - 1} times in a row without getting anywhere; "
        f"the workers that took it probably died of it"
    )
