"""Signals of a workflow as its steps have them: they abort while a step runs, by a stream of the run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NoReturn

from torpor.codec.types.references import recognise
from torpor.codec.values import AbortSignal as AbortReference
from torpor.durations import Duration
from torpor.engine.attempt_streams import attempt_streams
from torpor.engine.streams import Streams
from torpor.errors import OutsideWorkflowError, TorporError


class AbortSignal:
    """
    Tells a step whether workflow code has given up what it passed this signal to.

    A step that looks at it once is told from then on, on whatever worker it runs: :attr:`aborted` becomes true soon
    after the workflow has aborted.
    """

    def __init__(self, reference: AbortReference, streams: Streams | None = None) -> None:
        self._reference = reference
        self._streams = streams
        self._aborted = bool(reference.fields.get("aborted"))
        self._reason: Any = reference.fields.get("reason")
        self._changed = asyncio.Event()
        self._watching = False

    @classmethod
    def timeout(cls, duration: Duration) -> AbortSignal:  # noqa: ARG003  # as workflow code has it
        """Return a signal that aborts after so long; for workflow code."""
        _refuse("AbortSignal.timeout")

    @property
    def aborted(self) -> bool:
        """Whether it has aborted, as far as is known here by now."""
        self._watch()
        return self._aborted

    @property
    def reason(self) -> Any:
        """Why, None while it has not aborted."""
        return self._reason

    async def wait(self) -> Any:
        """Wait in an ``async def`` step until it aborts, and return the reason."""
        self._watch()
        if not self._aborted:
            await self._changed.wait()
        return self._reason

    def wait_in_thread(self, timeout: float | None = None) -> bool:
        """
        Wait in a ``def`` step until it aborts, and tell whether it has.

        Args:
            timeout: seconds to wait at most, None for as long as it takes.
        """
        attempt = attempt_streams()
        if not self._aborted and attempt is not None:
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self.wait(), attempt.loop).result(timeout)
        return self._aborted

    def _watch(self) -> None:
        attempt = attempt_streams()
        if self._aborted or self._watching or attempt is None:
            return
        self._watching = True
        attempt.watch(self._follow)

    async def _follow(self) -> None:
        fields = self._reference.fields
        assert self._streams is not None, "who runs in a step has streams"
        stream = self._streams.readable(str(fields.get("runId")), str(fields["streamName"]))
        try:
            async for reason in stream:
                self._aborted, self._reason = True, reason
                self._changed.set()
                return
        except TorporError:
            self._watching = False  # the next look tries again


class AbortController:
    """What aborts a signal, for workflow code."""

    signal: AbortSignal

    def __init__(self) -> None:
        """
        Refuse: only workflow code has one.

        Raises:
            OutsideWorkflowError: always.
        """
        _refuse("AbortController")

    def abort(self, reason: Any = "aborted") -> None:  # as workflow code has it
        """Abort the signal, and tell all steps that it was passed to; it aborts once. *reason* is a value."""
        _refuse("AbortController.abort")


def _refuse(what: str) -> NoReturn:
    raise OutsideWorkflowError(f"{what} works in a workflow, not here; a step is told by a signal that it is passed")


recognise(AbortSignal, lambda signal: signal._reference)  # noqa: SLF001  # it is what stands for it
