"""What a running step may know of itself and of the run that it works for."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from torpor.errors import UsageError
from torpor.limits import QUEUE_LIMIT_MAX


class Beats(Protocol):
    """Where heartbeats of an attempt go, and what was told before."""

    def beat(self, progress: tuple[object, ...]) -> None: ...

    def progress(self) -> Any: ...


class StepMetadata:
    """
    What a running step may know of itself; see :func:`current_step`.

    Attributes:
        step_id: the same in every attempt; use it as idempotency key at outside services.
        name: name of the step.
        run_id: the run that it belongs to.
        attempt: 1 for the first.
        weight: what :meth:`weighs` was told last, None before it was.
        within: the connection of its transaction, in a tuple; empty in a step that is in none.
    """

    def __init__(self, *, step_id: str, name: str, run_id: str, attempt: int, started_at: int, beats: Beats) -> None:
        self.step_id = step_id
        self.name = name
        self.run_id = run_id
        self.attempt = attempt
        self.weight: int | None = None
        self.within: tuple[Any, ...] = ()
        self._started_ms = started_at
        self._beats = beats
        self._cancelled = False

    @property
    def started_at(self) -> datetime:
        """Start of this attempt, aware, UTC."""
        return datetime.fromtimestamp(self._started_ms / 1000, UTC)

    @property
    def connection(self) -> Any:
        """
        The connection of a step with ``transaction=``; its transaction is committed with the step's result. Neither
        commit it nor roll it back: return, or raise.

        With ``transaction=True`` it is a ``psycopg.Connection`` in a ``def`` step, a ``psycopg.AsyncConnection`` in an
        ``async def`` step, and on SQLite a ``sqlite3.Connection``; else what the application's block has made.

        Raises:
            UsageError: the step is in no transaction.
        """
        if not self.within:
            raise UsageError(
                f"step {self.name} is in no transaction; say @app.step(transaction=True), and let a workflow call it"
            )
        return self.within[0]

    def weighs(self, weight: int) -> None:
        """
        Tell how much of its queue's rate this attempt takes in all, now that it is known: tokens, for instance.

        Args:
            weight: in place of what the step's ``weight=`` said. What is more is counted from when the attempt ends,
                what is less is given back.

        Raises:
            UsageError: it is no whole number from 0.
        """
        if not isinstance(weight, int) or not 0 <= weight <= QUEUE_LIMIT_MAX:
            raise UsageError(f"a step weighs a whole number from 0 to {QUEUE_LIMIT_MAX}, not {weight!r:.100}")
        self.weight = weight

    @property
    def progress(self) -> Any:
        """
        What :meth:`heartbeat` was told last, by this attempt or by those before it; None for nothing.

        Raises:
            SerializationError: it cannot be read here, for instance because a class is not loaded.
        """
        return self._beats.progress()

    def heartbeat(self, *progress: object) -> None:
        """
        Tell that this attempt is alive, and how far it is. It waits for nothing; call it as often as you like.

        With a ``heartbeat=`` of the step, an attempt that does not call it in time ends, and is tried again.

        Args:
            progress: nothing, or one value, such as a cursor; kept with the step in place of the one before, until the
                step has ended. The next attempt has it as :attr:`progress`, and people see it. It is stored about once
                a second, and when the attempt fails; what a worker told in the second before it died may be lost.

        Raises:
            LimitExceededError: it has more than 16 KiB.
            SerializationError: it cannot be stored.
            TypeError: there are several values.
        """
        if len(progress) > 1:
            raise TypeError(f"heartbeat() takes one value at most, and was given {len(progress)}")
        self._beats.beat(progress)

    @property
    def cancelled(self) -> bool:
        """
        True once nobody wants the result: the run was cancelled or has ended, or the attempt timed out. A long ``def``
        step should look and return.
        """
        return self._cancelled

    def wait_cancelled(self, timeout: float | None = None) -> bool:
        """
        Wait in a ``def`` step until its result is not wanted any more, and tell whether that is so.

        Args:
            timeout: seconds to wait at most, None for as long as it takes.
        """
        told: threading.Event = vars(self).setdefault("_told", threading.Event())  # before the look, as cancel() after
        return self._cancelled or told.wait(timeout)

    def cancel(self) -> None:
        self._cancelled = True
        if (told := vars(self).get("_told")) is not None:
            told.set()


@dataclass(frozen=True, slots=True)
class WorkflowMetadata:
    """
    Facts of the run that workflow code, or a step, is part of; equal in both.

    Attributes:
        id: of the run, ``wrun_<ULID>`` or a name of its starter's.
        name: full name of the workflow, such as ``workflow//./app.py//checkout``.
        started_at: creation of the run, aware.
        url: address of the deployment, ``""`` without one.
    """

    __module__ = "torpor"  # where workflow code has it too, so that it is a value

    id: str
    name: str
    started_at: datetime
    url: str


_running: ContextVar[tuple[StepMetadata, WorkflowMetadata]] = ContextVar("torpor-step")


class running:  # noqa: N801  # a block, as of a function; a generator's costs each step ten times as much
    """Let what runs in the block, and in threads and tasks that it makes, know what it is; cancel *step* behind it."""

    __slots__ = ("_step", "_token", "_workflow")

    def __init__(self, step: StepMetadata, workflow: WorkflowMetadata) -> None:
        self._step, self._workflow = step, workflow

    def __enter__(self) -> None:
        self._token = _running.set((self._step, self._workflow))

    def __exit__(self, *_: object) -> None:
        self._step.cancel()
        _running.reset(self._token)


def current_step() -> StepMetadata:
    """
    Return the metadata of the step that is running here.

    Raises:
        UsageError: called outside a step.
    """
    step = running_step()
    if step is None:
        raise UsageError("current_step() was called outside a step; it is there only while a step runs")
    return step


def running_step() -> StepMetadata | None:
    """Return the metadata of the step that is running here, None outside steps."""
    here = _running.get(None)
    return None if here is None else here[0]


def running_workflow() -> WorkflowMetadata | None:
    """Return the facts of the run that the step running here works for, None outside steps."""
    here = _running.get(None)
    return None if here is None else here[1]
