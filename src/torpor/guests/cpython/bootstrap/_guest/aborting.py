"""
Signals that workflow code passes to steps and aborts later: each has a stream of the run, which a step follows, on
whatever worker it runs.

What is stored of a signal is the name of its stream, and whether it has aborted already. When it aborts later, a step
that every application has writes the reason to the stream.
"""

from __future__ import annotations

from asyncio import CancelledError, Future
from contextlib import suppress
from typing import Any

from torpor.codec.types import references
from torpor.codec.values import AbortSignal as AbortReference
from torpor.durations import Duration, milliseconds
from torpor.errors import UsageError

from .loop import loop
from .run import run
from .steps import ask

_TELL = "step//torpor//abort"
_PREFIX = "wrun_"
_passed = 0


class AbortSignal:
    """
    Tells whether something is to be given up. Steps that it is passed to are told, too.

    Attributes:
        aborted: whether it is.
        reason: why, None while it is not.
    """

    def __init__(self) -> None:
        self.aborted = False
        self.reason: Any = None
        self._future: Future[None] = loop.create_future()
        self._stream = ""

    @classmethod
    def timeout(cls, duration: Duration) -> AbortSignal:
        """
        Return a signal that aborts after so long, also if the run sleeps meanwhile.

        Args:
            duration: seconds, text such as ``"1h 30m"``, or a timedelta.

        Raises:
            UsageError: it is none of these.
        """
        signal = cls()
        try:
            ms = milliseconds(duration)
        except (TypeError, ValueError) as error:
            raise UsageError(f"AbortSignal.timeout: {error}") from None
        loop.call_later(ms / 1000, signal._abort, TimeoutError(f"the time of {ms / 1000:g} s is over"))
        return signal

    async def wait(self) -> Any:
        """Wait until it aborts, and return the reason."""
        while not self.aborted:
            await _shielded(self._future)
        return self.reason

    def _abort(self, reason: Any) -> None:
        if self.aborted:
            return
        self.aborted, self.reason = True, reason
        if not self._future.done():
            self._future.set_result(None)
        if self._stream:
            with suppress(CancelledError):  # steps of a run that is being cancelled are cancelled themselves
                ask(_TELL, {"args": [self._stream, reason]}).add_done_callback(_ignore)

    def _reference(self) -> AbortReference:
        global _passed  # noqa: PLW0603  # one run, one count
        if not self._stream:
            _passed += 1
            self._stream = f"strm_{run.id.removeprefix(_PREFIX)}_system_abort_{_passed}"
        fields = {"streamName": self._stream, "runId": run.id, "hookToken": "", "aborted": self.aborted}
        return AbortReference({**fields, "reason": self.reason} if self.aborted else fields)


class AbortController:
    """
    What aborts a signal.

    Attributes:
        signal: to pass to steps.
    """

    def __init__(self) -> None:
        self.signal = AbortSignal()

    def abort(self, reason: Any = "aborted") -> None:
        """Abort the signal, and tell all steps that it was passed to; it aborts once. *reason* is a value."""
        self.signal._abort(reason)  # noqa: SLF001  # that is what a controller is


def install() -> None:
    """Let signals be values."""
    references.recognise(AbortSignal, lambda signal: signal._reference())  # noqa: SLF001  # it is what stands for it


async def _shielded(future: Future[None]) -> None:
    """Wait for a future that others wait for, too: who is cancelled does not cancel it."""
    mine: Future[None] = loop.create_future()

    def done(_: Future[None]) -> None:
        if not mine.done():
            mine.set_result(None)

    future.add_done_callback(done)
    try:
        await mine
    finally:
        future.remove_done_callback(done)


def _ignore(told: Future[Any]) -> None:
    if not told.cancelled():
        told.exception()
