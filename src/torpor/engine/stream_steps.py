"""What a step has of streams: those of its run, and what it yields when it is a generator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, NoReturn

from torpor.codec.values import ReadableStream as ReadableReference
from torpor.engine.attempt_streams import AttemptStreams, writing
from torpor.engine.metadata import running_step
from torpor.engine.stream_reading import Attempts, Part, Until
from torpor.engine.streams import ReadableStream, Streams, WritableStream
from torpor.errors import OutsideWorkflowError
from torpor.model import StreamType
from torpor.stream_names import stored_name

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Makes a call on the step's thread."""

_DONE: Final = object()
_here: ContextVar[Streams] = ContextVar("torpor-streams")


class streaming:  # noqa: N801  # as `running` in metadata.py
    """Let what runs in the block, and in threads and tasks that it makes, have the streams of its run."""

    __slots__ = ("_streams", "_token", "_writing")

    def __init__(self, streams: Streams, attempt: AttemptStreams) -> None:
        self._streams, self._writing = streams, writing(attempt)

    def __enter__(self) -> None:
        self._token = _here.set(self._streams)
        self._writing.__enter__()

    def __exit__(self, *_: object) -> None:
        self._writing.__exit__()
        _here.reset(self._token)


def get_writable(name: str = "", *, type: StreamType = "") -> WritableStream:  # noqa: A002  # as the SDK
    """
    Return a stream of the run, to write to it. For steps; workflow code may have it to pass it on.

    Args:
        name: of the stream, ``""`` for the run's default one.
        type: ``bytes`` for raw bytes, ``""`` for values.

    Raises:
        OutsideWorkflowError: called outside of a run.
        UsageError: an argument makes no sense.
    """
    return _streams_here("get_writable").writable(_run_here(), name, type)


def get_readable(
    name: str = "", *, start: int = 0, until: Until = "end", attempts: Attempts = "all"
) -> ReadableStream[Any]:
    """
    Return a stream of the run, to read it. For steps; workflow code may have it to pass it on.

    Args:
        name: of the stream, ``""`` for the run's default one.
        start, until, attempts: as for :meth:`torpor.run_handle.RunHandle.stream`.

    Raises:
        OutsideWorkflowError: called outside of a run.
        UsageError: an argument makes no sense.
    """
    return _streams_here("get_readable").readable(_run_here(), name, start=start, until=until, attempts=attempts)


def _streams_here(what: str) -> Streams:
    return _here.get(None) or _refuse(what)


def _run_here() -> str:
    step = running_step()
    assert step is not None, "who has streams here runs in a step"
    return step.run_id


def _refuse(what: str) -> NoReturn:
    raise OutsideWorkflowError(
        f"torpor.{what} works in a step that runs, and in a workflow, not here; a run's streams are read by "
        "run.stream(…) and written to by run.writable(…)"
    )


async def stream_values(attempt: AttemptStreams, made: Any, in_thread: InThread | None) -> ReadableReference:
    """
    Write what a generator yields to the run's default stream, and return the handle of that part of the stream.

    Args:
        attempt: whose generator it is.
        made: the generator, asynchronous or not.
        in_thread: makes calls on the step's thread, where a generator that is not asynchronous runs; None for a step
            without one.
    """
    sink = attempt.sink(attempt.run_id, stored_name(attempt.run_id), "")
    if inspect.isasyncgen(made):
        values: AsyncIterator[Any] = made
    else:
        values = _in_thread(made, in_thread or _at_once)
    try:
        async for value in values:
            await sink.write(value)
    finally:
        await values.aclose()  # type: ignore[attr-defined]  # they are generators
    await sink.flush()
    part = Part(start=sink.first or 0, stop=sink.behind, writer=sink.writer, attempt=sink.attempt)
    return ReadableReference({"name": sink.name, "runId": sink.run_id, **part.fields()})


def is_generator(value: object) -> bool:
    """Return whether a call has returned a generator, which is run from here on."""
    return inspect.isasyncgen(value) or inspect.isgenerator(value)


async def _at_once(call: Callable[[], Any]) -> Any:
    return call()


async def _in_thread(made: Any, in_thread: InThread) -> AsyncIterator[Any]:
    try:
        while (value := await in_thread(lambda: next(made, _DONE))) is not _DONE:
            yield value
    finally:
        await in_thread(made.close)
