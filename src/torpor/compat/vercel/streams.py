"""Streams that steps write to; workflow code hands them on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Generic, NoReturn, Self, TypeVar

from torpor.codec.types.custom import register
from torpor.codec.typing.annotations import convert
from torpor.compat.vercel.runs import get_run
from torpor.compat.vercel.side import IN_WORKFLOW, own_stream
from torpor.errors import NotInWorkflowError
from torpor.stream_names import stored_name

T = TypeVar("T")


class WorkflowWritable(ABC, Generic[T]):
    """
    One of a run's streams, to write to. ``async with`` closes it when its block ends well.

    Args:
        stream: Torpor's.
        type: what every value shall be.
        reentrant_ctx_on_err: whether ``async with`` leaves the stream open when its block raises.
    """

    def __init__(self, stream: Any, type: Any = Any, *, reentrant_ctx_on_err: bool = True) -> None:  # noqa: A002
        self._stream = stream
        self._type = type
        self._stays_open = reentrant_ctx_on_err

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.run_id!r}, {self.name!r})"

    @property
    def run_id(self) -> str:
        """Whose stream it is."""
        run_id: str = self._stream.run_id
        return run_id

    @property
    def name(self) -> str:
        """Its full name."""
        return stored_name(self.run_id, self._stream.name)

    def with_type(self, type: Any) -> Self:  # noqa: A002  # as the SDK
        """Return the same stream for values of this type."""
        return self.__class__(self._stream, type, reentrant_ctx_on_err=self._stays_open)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is None or not self._stays_open:
            await self.close()

    @abstractmethod
    async def write(self, value: T) -> None:
        """Write a value."""

    @abstractmethod
    async def write_from(self, source: AsyncIterable[T]) -> None:
        """Write all that a source yields."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until all that was written here is stored."""

    @abstractmethod
    async def close(self) -> None:
        """End the stream for everybody."""


class WorkflowStreamHandle(WorkflowWritable[T]):
    """A stream as workflow code has it: to pass to steps, where it becomes a :class:`WorkflowStreamWriter`."""

    async def write(self, value: T) -> None:  # refused
        """Refuse: a step writes."""
        _refuse("write")

    async def write_from(self, source: AsyncIterable[T]) -> None:  # refused
        """Refuse: a step writes."""
        _refuse("write_from")

    async def drain(self) -> None:
        """Refuse: a step writes."""
        _refuse("drain")

    async def close(self) -> None:
        """Refuse: a step closes."""
        _refuse("close")


class WorkflowStreamWriter(WorkflowWritable[T]):
    """A stream as a step has it."""

    async def write(self, value: T) -> None:
        """
        Write a value.

        Raises:
            TypeValidationError: it is not of the stream's type.
            StreamClosedError: the stream has ended; here, or where the next write or the end of the step tells it.
        """
        await self._stream.write(convert(value, self._type, f"what is written to {self!r}"))

    async def write_from(self, source: AsyncIterable[T]) -> None:
        """Write all that a source yields; raises as :meth:`write`."""
        async for value in source:
            await self.write(value)

    async def drain(self) -> None:
        """Wait until all that was written here is stored; raises as :meth:`write`."""
        await self._stream.flush()

    async def close(self) -> None:
        """End the stream for everybody, once all that was written here is stored."""
        await self._stream.close()


def get_writable(
    *,
    type: Any = Any,  # noqa: A002  # as the SDK
    namespace: str | None = None,
    reentrant_ctx_on_err: bool = True,
) -> WorkflowWritable[Any]:
    """
    Return one of the run's streams: a writer in a step, and in workflow code a handle to pass to steps.

    Args:
        type: what every value shall be.
        namespace: of the stream, None for the run's default one.
        reentrant_ctx_on_err: whether ``async with`` leaves the stream open when its block raises.

    Raises:
        OutsideWorkflowError: called outside of both.
    """
    return _kind()(own_stream(namespace or ""), type, reentrant_ctx_on_err=reentrant_ctx_on_err)


def read_stream(
    run_id: str,
    name: str,
    *,
    type: Any = Any,  # noqa: A002  # as the SDK
    start_index: int | None = None,
) -> AsyncGenerator[Any, None]:
    """
    Yield what is in a run's stream, by its full name; see :meth:`Run.readable`.

    Args:
        run_id: whose stream.
        name: as :meth:`Run.list_streams` returns it.
        type, start_index: as for :meth:`Run.readable`.
    """
    return get_run(run_id).readable(type=type, namespace=name, start_index=start_index)


def _kind() -> type[WorkflowStreamHandle[Any] | WorkflowStreamWriter[Any]]:
    return WorkflowStreamHandle if IN_WORKFLOW else WorkflowStreamWriter


def _refuse(what: str) -> NoReturn:
    raise NotInWorkflowError(
        f"{what}() of a stream cannot be used in a workflow: what is in a stream is no part of the run's log; pass the "
        f"stream to a step, which writes"
    )


for _each in (WorkflowStreamHandle, WorkflowStreamWriter):
    register(_each, lambda writable: writable._stream, _kind())  # noqa: SLF001  # one of us
