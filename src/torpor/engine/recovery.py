"""
What becomes of a run whose turn failed: the one place that says whose doing an error is.

Only what the run itself did may fail it: its code trapped or passed a limit, its program does not load, its log does
not say what its code says. All else is somebody else's: this host lacks memory, this worker lacks a key, the world
cannot be reached, we have a bug. Then the run is well, and is *snoozed*: given back, for a while and for any worker.
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import Final

from torpor import limits
from torpor.engine.environment import Environment
from torpor.engine.inline import InlineSteps
from torpor.engine.observer import Remark, RunRebuilt, RunSnoozed, TurnEnd
from torpor.engine.retry import Retrying
from torpor.engine.session import TooMuchAtOnceError
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
    TorporError,
    VmInterruptedError,
    WorldError,
)
from torpor.model import Run, Task
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
    ((GuestTrapError, CpuLimitError, MemoryLimitError, OutputLimitError, LimitExceededError), Answer.FAIL),
    ((NotAllowedError, ProgramError, DivergenceError, SerializationError, MaxDeliveriesError), Answer.FAIL),
    ((HostError, MemoryError, OSError, ConfigurationError), Answer.SNOOZE),
    ((ProgramMissingError, BuildMissingError, BuildPendingError, DamagedError), Answer.SNOOZE),
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
        env: of the turn.
        task: the claim.
        inline: the steps that the turn runs itself.

    Attributes:
        fatal: why the run must fail without being woken.
        note: a line for the run's own log.
        note_level: how grave that is.
        forget_snapshot: delete the snapshot before anything else.
        events_per_call: how many events are delivered in one call into the VM.
    """

    def __init__(self, env: Environment, task: Task, inline: InlineSteps) -> None:
        self._env, self._task, self._inline = env, task, inline
        self.fatal = _too_many_redeliveries(task)
        self.note = ""
        self.note_level = "error"
        self.forget_snapshot = False
        self.events_per_call = limits.EVENTS_PER_CALL
        self._rebuilt = False
        self._world = Retrying(env.clock, _WORLD_BACKOFF, f"run {task.run_id}: the world", env.observe)
        self._engine = Retrying(env.clock, _WORLD_BACKOFF, f"run {task.run_id}: the engine", env.observe)

    def went_well(self) -> None:
        """Take note that a pass came to its end: failures that come later have nothing to do with earlier ones."""
        self._world.succeeded()

    async def end_of(self, error: Exception, run: Run | None) -> TurnEnd | None:
        """
        Do what follows from an error; return how the turn ends with it, None when the run is to be loaded again.

        Args:
            error: what a pass raised.
            run: the run as that pass found it, None when it could not be loaded.
        """
        run_id = self._task.run_id
        match self._answer(error, run):
            case Answer.ONE_BY_ONE:
                told = f"run {run_id}: {error}; events are delivered one by one now"
                self._env.observe(Remark(logging.INFO, told))
                self.events_per_call = 1
            case Answer.REBUILD:
                self.note = f"the snapshot could not be restored and the run was rebuilt from its log: {error}"
                self.note_level = "error"
                self.forget_snapshot = self._rebuilt = True
                self._env.observe(RunRebuilt(run_id, self.note))
            case Answer.LEAVE:
                self._env.observe(Remark(logging.INFO, f"run {run_id}: this worker goes on with it no more: {error}"))
                self._inline.cancel()
                return "left"
            case Answer.FAIL:
                self.fatal = error
            case Answer.RETRY:
                return await self._tries_again(error, run)
            case Answer.SNOOZE:
                return await self._snooze(error, run)
        return None

    def _answer(self, error: Exception, run: Run | None) -> Answer:
        answer = answer_to(error)
        if answer is Answer.REBUILD and run is not None and run.base:
            return Answer.SNOOZE  # the log does not tell the beginning any more: the snapshot is all there is
        if answer is Answer.REBUILD and self._rebuilt:
            return Answer.RETRY
        if answer is Answer.FAIL and self.fatal is not None:
            return Answer.RETRY  # it could not even fail
        return answer

    async def _tries_again(self, error: Exception, run: Run | None) -> TurnEnd | None:
        """Wait a little, unless that was done often enough."""
        is_worlds = isinstance(error, (WorldError, ConflictError))
        retrying, most = (self._world, _WORLD_FAILURES_MAX) if is_worlds else (self._engine, _BUGS_MAX)
        if retrying.failures == most:
            return await self._snooze(error, run)
        await retrying.pause(error)
        return None

    async def _snooze(self, error: Exception, run: Run | None) -> TurnEnd:
        """Give the run back, for longer each time in a row; what its turn has begun here ends."""
        self._inline.cancel()
        env, task = self._env, self._task
        times = 1 if run is None else run.snoozes + 1
        delay = _SNOOZE_BACKOFF.delay_ms(times)
        why = str(error)
        if not isinstance(error, TorporError):  # its text may be of the run's payloads
            why = f"{type(error).__name__}, an error of Torpor's own; see the log of worker {env.worker_id}"
        env.observe(RunSnoozed(task.run_id, why, delay, times))
        if isinstance(error, (HostError, MemoryError, OSError)):
            env.host_failed(error)
        retrying = Retrying(env.clock, _WORLD_BACKOFF, f"run {task.run_id}: giving it back", env.observe)
        while True:  # nobody else may take the run while this worker lives and has it
            try:
                await env.world.snooze(task.run_id, env.worker_id, task.epoch, delay_ms=delay, why=why)
            except WorldError as problem:
                await retrying.pause(problem)
            except (LeaseLostError, EntityConflictError) as problem:
                told = f"run {task.run_id}: it need not be given back any more: {problem}"
                env.observe(Remark(logging.INFO, told))
                return "left"
            else:
                return "snoozed"


def _too_many_redeliveries(task: Task) -> Exception | None:
    if task.redeliveries <= limits.REDELIVERIES_MAX:
        return None
    return MaxDeliveriesError(
        f"run {task.run_id} was taken up {task.redeliveries - 1} times in a row without getting anywhere; "
        f"the workers that took it probably died of it"
    )
