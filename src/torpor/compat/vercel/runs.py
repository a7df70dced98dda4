"""Runs as those see them who start them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from torpor.codec.typing.annotations import convert
from torpor.compat.vercel.errors import SerializationError, WorkflowRunFailedError
from torpor.compat.vercel.side import handle_of, run_attributes, run_streams, start_run
from torpor.errors import RunCancelledError, RunFailedError

T = TypeVar("T")

_REASON_UNITS_MAX = 512

WorkflowRunStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
"""How a run stands."""


@dataclass(frozen=True)
class StreamInfo:
    """
    A stream as it stands.

    Attributes:
        tail_index: index of its last chunk, -1 when there is none.
        done: whether it is closed.
    """

    tail_index: int
    done: bool


class Run(Generic[T]):
    """
    A run, by its id.

    Args:
        run_id: which; it is looked up when it is asked something.
        type: what its result shall be.
    """

    def __init__(self, run_id: str, *, type: Any = Any) -> None:  # noqa: A002  # as the SDK
        self._run_id = run_id
        self._type = type

    def __repr__(self) -> str:
        return f"Run({self._run_id!r})"

    @property
    def run_id(self) -> str:
        """Its id."""
        return self._run_id

    async def status(self) -> WorkflowRunStatus:
        """
        Return how it stands.

        Raises:
            RunNotFoundError: there is no such run.
        """
        found: WorkflowRunStatus = await handle_of(self._run_id).status()
        return found

    async def attributes(self) -> dict[str, str]:
        """
        Return what it says of itself.

        Raises:
            RunNotFoundError: there is no such run.
            NotInWorkflowError: called in workflow code; let a step ask.
        """
        return await run_attributes(self._run_id)

    async def terminate(self, *, reason: str | None = None) -> None:
        """
        End it as cancelled, at once: its code is not told.

        Args:
            reason: why, up to 512 characters.

        Raises:
            EntityConflictError: it has ended already.
            ValueError: the reason is too long.
        """
        if reason is not None and len(reason.encode("utf-16-le")) // 2 > _REASON_UNITS_MAX:
            raise ValueError("the reason of terminate() has up to 512 UTF-16 code units")
        await handle_of(self._run_id).cancel(reason or "", force=True)

    async def return_value(self) -> T:
        """
        Wait until it has ended, and return what its workflow returned.

        Raises:
            WorkflowRunFailedError: it failed.
            RuntimeError: it was cancelled.
            TypeValidationError: the result is not of the type that was asked for.
        """
        try:
            value = await handle_of(self._run_id).result()
        except RunFailedError as error:
            raise WorkflowRunFailedError(self._run_id, error.__cause__, error_code=error.failure) from error.__cause__
        except RunCancelledError as error:
            raise RuntimeError("workflow cancelled") from error
        made: T = convert(value, self._type, f"the return value of run {self._run_id}")
        return made

    async def readable(
        self,
        *,
        type: Any = Any,  # noqa: A002  # as the SDK
        namespace: str | None = None,
        start_index: int | None = None,
    ) -> AsyncGenerator[Any, None]:
        """
        Yield what is written to one of its streams, until that is closed or the run has ended.

        Args:
            type: what each value shall be.
            namespace: of the stream, None for the run's default one.
            start_index: of the first chunk; a negative one counts from the end.

        Raises:
            TypeValidationError: a chunk is not of this type.
            NotInWorkflowError: called in workflow code.
        """
        stream = handle_of(self._run_id).stream(namespace or "", start=start_index or 0)
        async for chunk in stream.chunks():
            yield convert(chunk.value, type, f"chunk {chunk.index} of {stream!r}")

    async def readable_bytes(
        self, *, namespace: str | None = None, start_index: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """
        Yield the same of a stream that has nothing but bytes.

        Raises:
            SerializationError: a chunk is something else.
        """
        async with aclosing(self.readable(namespace=namespace, start_index=start_index)) as values:
            async for value in values:
                if not isinstance(value, bytes | bytearray):
                    raise SerializationError(f"a chunk is a {value.__class__.__name__}, not bytes; use readable()")
                yield bytes(value)

    async def stream_info(self, *, namespace: str | None = None) -> StreamInfo:
        """Return one of its streams as it stands; one that nobody has written to has no chunks."""
        wanted = namespace or ""
        found = [(each.count, each.closed) for each in await run_streams(self._run_id) if each.name == wanted]
        count, closed = found[0] if found else (0, False)
        return StreamInfo(count - 1, closed)

    async def list_streams(self) -> list[str]:
        """Return the full names of its streams."""
        return [each.stored_name for each in await run_streams(self._run_id)]


def get_run(run_id: str, *, type: Any = Any) -> Run[Any]:  # noqa: A002  # as the SDK
    """
    Return a handle of a run; it is looked up when it is asked something.

    Args:
        run_id: which.
        type: what its result shall be.
    """
    return Run(run_id, type=type)


async def start(workflow: Any, /, *args: Any, **kwargs: Any) -> Run[Any]:
    """
    Start a run, outside or in workflow code.

    Args:
        workflow: a function that is decorated with ``@wf.workflow``.
        args, kwargs: its arguments.

    Raises:
        UsageError: it is no workflow, or does not take these arguments.
    """
    run_id, returns = await start_run(workflow, args, kwargs)
    return Run(run_id, type=returns)
