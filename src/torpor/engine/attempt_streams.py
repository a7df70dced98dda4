"""What one attempt of a step writes to streams; the attempt is not over before all of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from torpor.engine.stream_writing import Sink, running_loop
from torpor.errors import UsageError
from torpor.model import StreamType

T = TypeVar("T")


class AttemptStreams:
    """
    What one attempt of a step writes.

    Args:
        sink: makes one, of a run's stream, for the step and its attempt.
        run_id: the step's run.
        about: names the attempt in messages.
    """

    def __init__(self, sink: Callable[[str, str, StreamType], Sink], run_id: str, about: str) -> None:
        self.run_id = run_id
        self._sink = sink
        self._about = about
        self._sinks: dict[tuple[str, str], Sink] = {}
        self._loop = asyncio.get_running_loop()
        self._over = self._refused = ""
        self._watches: list[asyncio.Task[None]] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """On which the attempt is made; a ``def`` step runs on a thread beside it."""
        return self._loop

    def refuse(self, why: str) -> None:
        """Let the attempt write nothing."""
        self._refused = why

    def watch(self, follow: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Follow something until the attempt is over; called on whichever thread."""

        def begin() -> None:
            if not self._over:
                self._watches.append(self._loop.create_task(follow()))

        self._loop.call_soon_threadsafe(begin)

    def find(self, run_id: str, name: str) -> Sink | None:
        """Return what the attempt writes to a stream by, if it has written to it already."""
        return self._sinks.get((run_id, name))

    def sink(self, run_id: str, name: str, kind: StreamType) -> Sink:
        """
        Return what the attempt writes to a stream by; it is one, however often it is asked for, on whichever thread.

        Raises:
            UsageError: the attempt is over.
        """
        if (found := self.find(run_id, name)) is not None:
            return found
        if why_not := self._over or self._refused:
            raise UsageError(f"stream {name} cannot be written to: {why_not}")
        if running_loop() is self._loop:
            return self._made(run_id, name, kind)

        async def made() -> Sink:
            return self._made(run_id, name, kind)

        return asyncio.run_coroutine_threadsafe(made(), self._loop).result()

    def _made(self, run_id: str, name: str, kind: StreamType) -> Sink:
        if (run_id, name) not in self._sinks:
            self._sinks[run_id, name] = self._sink(run_id, name, kind)
        return self._sinks[run_id, name]

    async def finish(self) -> None:
        """
        Wait until all that was written is stored.

        Raises:
            StreamClosedError, LeaseLostError, KeyMissingError: something cannot be, and its writer has not been told.
        """
        for sink in list(self._sinks.values()):
            await sink.flush()

    async def finish_failed(self) -> None:
        """Do the same for an attempt that has failed anyway."""
        for sink in list(self._sinks.values()):
            with suppress(Exception):  # it has its error
                await sink.flush()

    def iterate(self, values: AsyncIterator[T]) -> Iterator[T]:
        """Yield on the step's thread what an iterator yields on the event loop."""

        async def next_value() -> tuple[T, ...]:
            async for value in values:
                return (value,)
            return ()

        while found := asyncio.run_coroutine_threadsafe(next_value(), self._loop).result():
            yield found[0]

    def end(self) -> None:
        """Take nothing more: the attempt is over. What is not stored is dropped."""
        self._over = f"{self._about} is over"
        for watch in self._watches:
            watch.cancel()
        for sink in self._sinks.values():
            sink.end(self._over)


_here: ContextVar[AttemptStreams] = ContextVar("torpor-attempt-streams")


class writing:  # noqa: N801  # as `running` in metadata.py
    """Let what runs in the block, and in threads and tasks that it makes, write as this attempt."""

    __slots__ = ("_streams", "_token")

    def __init__(self, streams: AttemptStreams) -> None:
        self._streams = streams

    def __enter__(self) -> None:
        self._token = _here.set(self._streams)

    def __exit__(self, *_: object) -> None:
        _here.reset(self._token)


def attempt_streams() -> AttemptStreams | None:
    """Return what the step that is running here writes by, None outside steps."""
    return _here.get(None)
