"""
What one attempt of a step tells of itself while it runs: that it is alive, and how far it is.

Being alive is a matter of this process: the worker's own life is the lease's. Progress goes to the world, the first at
once and what comes after it once a second at most, the newest only; and before a failure is told, so that the next
attempt has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

from torpor.clock import Clock
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.attempts import Attempt
from torpor.errors import HeartbeatTimeoutError, LeaseLostError, LimitExceededError, TorporError
from torpor.limits import PROGRESS_BYTES_MAX

WRITE_MS: Final = 1_000
"""Between two writes of one attempt's progress."""


class KeepProgress(Protocol):
    """See :meth:`torpor.world.Turns.keep_progress`."""

    def __call__(self, run_id: str, step_id: str, attempt: int, progress: bytes, /) -> Awaitable[None]: ...


class Heartbeats:
    """
    The heartbeats of one attempt; :meth:`beat` and :meth:`progress` may be called on any thread.

    Args:
        attempt: which.
        keep: stores progress.
        clock: by whose steady time writes are apart.
    """

    def __init__(self, attempt: Attempt, keep: KeepProgress, clock: Clock) -> None:
        self._attempt = attempt
        self._keep = keep
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._told: bytes | None = attempt.progress
        self._stored: bytes | None = attempt.progress
        self._next_at = 0  # of a write, by the steady clock
        self._writing: asyncio.Task[None] | None = None
        self._over = False
        self._silence: asyncio.Timeout | None = None
        self._allowed = 0.0  # seconds of silence

    @property
    def silent_until(self) -> float | None:
        """When the attempt ends if it stays silent, by the event loop's time; None for never."""
        return None if self._silence is None else self._silence.when()

    def progress(self) -> Any:
        """
        Return what an attempt of this step has told last, None for nothing.

        Raises:
            SerializationError: it cannot be read here, for instance because a class is not loaded.
        """
        return None if self._told is None else self._codec.loads(self._told)

    def beat(self, progress: tuple[object, ...]) -> None:
        """
        Take note that the attempt is alive, and of its progress if there is one in the tuple.

        Raises:
            SerializationError: it cannot be stored.
            LimitExceededError: it is too big.
        """
        for each in progress:
            self._told = self._packed(each)
        with suppress(RuntimeError):  # a thread that was given up may be there when the loop is not
            self._loop.call_soon_threadsafe(self._note)

    @asynccontextmanager
    async def watched(self, seconds: float | None) -> AsyncIterator[None]:
        """
        End what runs in the block when there was no heartbeat for so long; None for no limit.

        Raises:
            HeartbeatTimeoutError: that is why it ended.
        """
        if seconds is None:
            yield
            return
        self._silence = silence = asyncio.timeout(seconds)
        self._allowed = seconds
        try:
            async with silence:
                yield
        except TimeoutError as error:
            if not silence.expired():
                raise
            told = (
                f"step {self._attempt.name} was silent for longer than its heartbeat of {seconds:g} s "
                f"(attempt {self._attempt.attempt}); let it call current_step().heartbeat() more often"
            )
            raise HeartbeatTimeoutError(told) from error
        finally:
            self._silence = None

    async def finish(self, *, failed: bool) -> None:
        """Let go: the attempt is over. Of one that *failed* the newest progress is stored, as far as possible."""
        wanted = failed and not self._over
        self._over = True
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing
        if wanted and self._told is not self._stored:
            with suppress(TorporError):  # the attempt has its error
                await self._write()

    @property
    def _codec(self) -> RunCodec:
        return self._attempt.run_codec

    def _packed(self, progress: object) -> bytes:
        what = f"the progress of step {self._attempt.name}"
        packed = self._codec.dumps(progress, what)
        if len(packed) > PROGRESS_BYTES_MAX:
            raise LimitExceededError(
                f"{what} takes {len(packed)} bytes, and up to {PROGRESS_BYTES_MAX} are kept; tell where the attempt "
                f"is, such as a cursor, and leave what it has made to a stream or a file"
            )
        return packed

    def _note(self) -> None:
        if self._over:
            return
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(self._loop.time() + self._allowed)
        if self._told is not self._stored and self._writing is None:
            self._writing = self._loop.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._told is not self._stored and not self._over:
                await self._clock.sleep(max(0, self._next_at - self._clock.steady()))
                with suppress(TorporError):  # told again with the next heartbeat
                    await self._write()
        finally:
            self._writing = None

    async def _write(self) -> None:
        told = self._told
        assert told is not None, "nothing is told but what is there"
        self._next_at = self._clock.steady() + WRITE_MS
        about = self._attempt.run_id, self._attempt.step_id, self._attempt.attempt
        try:
            await self._keep(*about, told)
        except LeaseLostError:
            self._over = True  # nobody wants it any more
        self._stored = told
