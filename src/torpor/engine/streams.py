"""
Streams as those see them who write and read: steps, applications, clients.

They are handles, which name a stream and hold nothing of it. They are values: they may be arguments and results of
workflows and steps, and cross into workflow code, where nobody reads or writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from torpor import codec, ids
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.types.references import References, recognise
from torpor.codec.values import ReadableStream as ReadableReference
from torpor.codec.values import WritableStream as WritableReference
from torpor.engine.attempt_streams import AttemptStreams, attempt_streams
from torpor.engine.observer import Observer, ignore
from torpor.engine.stream_reading import Attempts, Decoder, News, Part, StreamChunk, Until, pages
from torpor.engine.stream_writing import GetCodec, Sink, Taken
from torpor.engine.tenancy import Tenancy
from torpor.errors import SerializationError, UsageError
from torpor.model import Chunk, Stream, StreamPage, StreamType
from torpor.stream_names import given_name, stored_name
from torpor.tenant_names import tenant_of
from torpor.world import World

T = TypeVar("T")

PAGE_CHUNKS: int = 100
"""Chunks of a page, unless somebody asks for another number."""


class StreamInfo(msgspec.Struct, frozen=True):
    """
    A stream as it stands.

    Attributes:
        name: what its author called it, ``""`` for the run's default stream; the stored name of any other.
        stored_name: what it is stored under, ``strm_…``.
        type: ``""`` for values, ``bytes`` for raw bytes.
        count: how many chunks it has; the last one's index is one less.
        size: bytes of all its chunks as they are stored.
        created_at, written_at: when it was first and last written to, epoch milliseconds.
        closed: whether it has ended.
    """

    name: str
    stored_name: str
    type: StreamType
    count: int
    size: int
    created_at: int
    written_at: int
    closed: bool

    @classmethod
    def of(cls, stream: Stream) -> StreamInfo:
        """Return what is told of a stream."""
        name = given_name(stream.run_id, stream.name)
        facts = stream.type, stream.count, stream.size, stream.created_at, stream.written_at
        return cls(name, stream.name, *facts, stream.end is not None)


class ChunkPage(msgspec.Struct, frozen=True):
    """
    Some chunks of a stream.

    Attributes:
        chunks: in their order.
        next: index that the next page begins at.
        done: whether the stream is closed, and nothing comes after these.
    """

    chunks: tuple[StreamChunk, ...]
    next: int
    done: bool


class WritableStream:
    """
    A stream to write to, and to close.

    A value is taken by the call of :meth:`write`, and is on its way to the world at once. Awaiting the call in an
    ``async def`` waits while more than 8 MiB are on their way. In a ``def``, which runs on a thread, the call itself
    waits. A step is complete only when all that it wrote is stored. Outside of steps, awaiting a write waits until it
    is stored.

    Attributes:
        run_id: whose stream.
        name: what its author called it, ``""`` for the run's default stream.
    """

    def __init__(self, streams: Streams, reference: WritableReference) -> None:
        self._streams = streams
        self._reference = reference
        self._stored_name: str = reference.fields["name"]
        self._type: StreamType = "bytes" if reference.fields.get("type") == "bytes" else ""
        self._sink: Sink | None = None  # outside of steps
        self.run_id: str = reference.fields["runId"]
        self.name = given_name(self.run_id, self._stored_name)

    def __repr__(self) -> str:
        return f"WritableStream({self.run_id!r}, {self.name!r})"

    def write(self, value: Any) -> Taken:
        """
        Write a value, or bytes to a stream of bytes.

        Raises:
            StreamClosedError: the stream has ended; here, or where the next write or the end of the step tells it.
            StreamTypeError: it carries bytes and was opened for values, or the other way round; told as late.
            SerializationError, LimitExceededError: the value cannot be stored.
            UsageError: it is no bytes, or the step's attempt is over.
        """
        sink, is_steps = self._found()
        taken = sink.write(value)
        return taken if is_steps else Taken(sink.flush)

    def close(self) -> Taken:
        """End the stream for everybody; awaited, wait until that is stored. Closing a closed stream changes nothing."""
        return self._found()[0].close()

    def respond(self, response: Any) -> Taken:
        """Write the answer to the request of a webhook, whose caller reads it here, and end the stream."""
        self.write(response)
        return self.close()

    def flush(self) -> Taken:
        """Awaited, wait until all that was written here is stored."""
        return Taken(self._found()[0].flush)

    def _found(self) -> tuple[Sink, bool]:
        attempt = attempt_streams()
        if attempt is not None:
            return attempt.sink(self.run_id, self._stored_name, self._type), True
        if self._sink is None:
            self._sink = self._streams.own_sink(self.run_id, self._stored_name, self._type)
        return self._sink, False


class ReadableStream(Generic[T]):
    """
    A stream to read: iterate it for its values with ``async for``, or with ``for`` in a ``def`` step, which runs on a
    thread. Each iteration begins anew, and follows what is written.

    Attributes:
        run_id: whose stream.
        name: what its author called it, ``""`` for the run's default stream.
    """

    def __init__(self, streams: Streams, reference: ReadableReference, part: Part) -> None:
        self._streams = streams
        self._reference = reference
        self._part = part
        self._stored_name: str = reference.fields["name"]
        self.run_id: str = reference.fields["runId"]
        self.name = given_name(self.run_id, self._stored_name)

    def __repr__(self) -> str:
        return f"ReadableStream({self.run_id!r}, {self.name!r})"

    def __aiter__(self) -> AsyncIterator[T]:
        return self._values()

    def __iter__(self) -> Iterator[T]:
        attempt = attempt_streams()
        if attempt is None or _is_on_a_loop():
            raise UsageError(f"{self!r} is read with `async for`; with `for` in a `def` step only, or by a SyncTorpor")
        return attempt.iterate(self._values())

    async def _values(self) -> AsyncIterator[T]:
        async for chunk in self.chunks():
            yield chunk.value

    def chunks(self) -> AsyncIterator[StreamChunk]:
        """Yield the chunks with all that is known of them: index, value, who wrote them, at which attempt, when."""
        return self._streams.read(self.run_id, self._stored_name, self._part)

    async def page(self, *, start: int | None = None, limit: int = PAGE_CHUNKS) -> ChunkPage:
        """
        Return some chunks that are there now, without waiting.

        Args:
            start: index of the first; where this reads from by default, negative counts from the end.
            limit: how many at most, 1 to 1 000.

        Raises:
            RunNotFoundError: no such run in this world.
            UsageError: *limit* is none.
        """
        return await self._streams.page(
            self.run_id, self._stored_name, self._part if start is None else replace(self._part, start=start), limit
        )

    async def tail_index(self) -> int:
        """Return the index of the last chunk that is there, -1 when there is none."""
        return (await self.info()).count - 1

    async def info(self) -> StreamInfo:
        """
        Return the stream as it stands.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return StreamInfo.of(await self._streams.look(self.run_id, self._stored_name))


class Streams:
    """
    A world's streams, for those who have keys.

    Args:
        world: an open world.
        keyring: keys of the runs whose streams are read and written.
        references: what references in values become.
        observe: is told when the world fails, which is tried again.
        tenancy: tells the tenants of runs, whose quotas hold for their streams.
    """

    def __init__(
        self,
        world: World,
        keyring: Keyring,
        references: References | None = None,
        observe: Observer = ignore,
        tenancy: Tenancy | None = None,
    ) -> None:
        self._tenancy = tenancy or Tenancy(world, world.clock)
        self._world = world
        self._keyring = keyring
        self._references = references
        self._observe = observe
        self._news = News(world)

    # Handles

    def readable(
        self,
        run_id: str,
        name: str = "",
        *,
        start: int = 0,
        until: Until = "end",
        attempts: Attempts = "all",
    ) -> ReadableStream[Any]:
        """
        Return a handle of a run's stream, to read it.

        Raises:
            UsageError: an argument makes no sense.
        """
        _check(until, Until, "until")
        _check(attempts, Attempts, "attempts")
        if isinstance(start, bool) or not isinstance(start, int):
            raise UsageError(f"start={start!r} of a stream: give the index of a chunk, or a negative number of chunks")
        part = Part(start=start, until=until, attempts=attempts)
        fields = {"name": stored_name(run_id, name), "runId": run_id, **part.fields()}
        return ReadableStream(self, ReadableReference(fields), part)

    def writable(self, run_id: str, name: str = "", type: StreamType = "") -> WritableStream:  # noqa: A002  # as the SDK
        """
        Return a handle of a run's stream, to write to it.

        Raises:
            UsageError: an argument makes no sense.
        """
        _check(type, StreamType, "type")
        fields = {"name": stored_name(run_id, name), "runId": run_id}
        return WritableStream(self, WritableReference({**fields, "type": type} if type else fields))

    def read_handle(self, reference: ReadableReference) -> object:
        """
        Return what a reference in a value is to its reader; one that names no stream of a run stays what it is.

        Raises:
            SerializationError: what it says of the part to be read makes no sense.
        """
        fields = reference.fields
        if not _names_a_stream(fields):
            return reference
        try:
            part = msgspec.convert({name: field for name, field in fields.items() if field is not None}, Part)
        except msgspec.ValidationError as error:
            raise SerializationError(f"a stream among the values cannot be read: {error}") from error
        return ReadableStream(self, reference, part)

    def write_handle(self, reference: WritableReference) -> object:
        """Return what a reference in a value is to its writer; see :meth:`read_handle`."""
        return WritableStream(self, reference) if _names_a_stream(reference.fields) else reference

    # Writing

    def attempt(self, run_id: str, run_codec: RunCodec, step_id: str, attempt: int, name: str) -> AttemptStreams:
        """Return what one attempt of a step writes by."""

        async def codec_of(its_run: str) -> RunCodec:
            return run_codec if its_run == run_id else await self.codec_of(its_run)

        def sink(its_run: str, stream: str, kind: StreamType) -> Sink:
            return self._sink(codec_of, its_run, stream, kind, step_id, attempt)

        return AttemptStreams(sink, run_id, f"attempt {attempt} of step {name}")

    def own_sink(self, run_id: str, name: str, kind: StreamType) -> Sink:
        """
        Return what somebody outside of steps writes by.

        Raises:
            UsageError: no event loop runs here.
        """
        if not _is_on_a_loop():
            raise UsageError(f"stream {name} of run {run_id} is written to on an event loop; do that in an `async def`")
        return self._sink(self.codec_of, run_id, name, kind, ids.fresh("wrtr", self._world.clock.now()), 0)

    def _sink(self, codec_of: GetCodec, run_id: str, name: str, kind: StreamType, writer: str, attempt: int) -> Sink:
        admit = self._tenancy.admit_chunks if tenant_of(run_id) else None
        return Sink(self._world, codec_of, run_id, name, kind, writer, attempt, self._observe, admit)

    async def codec_of(self, run_id: str) -> RunCodec:
        """
        Return the codec of a run's payloads.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        run = await self._world.get_run(run_id)
        return self._keyring.run(run.id, run.key_id, run.public)

    # Reading

    async def read(
        self, run_id: str, name: str, part: Part, loads: Callable[[bytes], Any] | None = None
    ) -> AsyncIterator[StreamChunk]:
        """Yield chunks of a stream, as they are written; *loads* makes values of envelopes in place of the codec."""
        decoder = Decoder(await self.codec_of(run_id), run_id, name, loads or self._loads)
        is_first = True
        async for page in pages(self._world, self._news, run_id, name, part):
            if is_first:
                decoder.begin(page)
                is_first = False
            for chunk in await self._decoded(decoder, page, part):
                yield chunk
            if page.is_last and page.stream is not None:
                decoder.check_end(page.stream)

    async def sealed(self, run_id: str, name: str, part: Part) -> AsyncIterator[StreamChunk]:
        """Yield chunks of a stream as they are stored, for whoever has no key."""
        async for page in pages(self._world, self._news, run_id, name, part):
            for chunk in filter(part.has, page.chunks):
                yield _chunk(chunk, chunk.data)

    async def page(self, run_id: str, name: str, part: Part, limit: int) -> ChunkPage:
        """Return chunks of a stream that are there; see :meth:`ReadableStream.page`."""
        if not isinstance(limit, int) or not 1 <= limit <= 1000:
            raise UsageError(f"limit={limit!r} of a page of chunks: give a number from 1 to 1000")
        page = await self._world.read_stream(run_id, name, start=part.start, limit=limit)
        decoder = Decoder(await self.codec_of(run_id), run_id, name, self._loads)
        decoder.begin(page)
        return ChunkPage(tuple(await self._decoded(decoder, page, part)), page.next, page.is_last)

    async def look(self, run_id: str, name: str) -> Stream:
        """Return a stream as it stands; an empty one before its first chunk."""
        page = await self._world.read_stream(run_id, name, limit=0)
        return page.stream or Stream(run_id, name, "", 0, 0, 0, 0)

    async def of_run(self, run_id: str) -> list[StreamInfo]:
        """
        Return a run's streams, those that anybody has written to.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return sorted(map(StreamInfo.of, await self._world.streams(run_id)), key=lambda info: info.name)

    @staticmethod
    async def _decoded(decoder: Decoder, page: StreamPage, part: Part) -> Sequence[StreamChunk]:
        found: list[StreamChunk] = []
        for chunk in page.chunks:
            decoder.check(chunk)
            if part.has(chunk):
                assert page.stream is not None, "whose chunks they are"
                found.append(_chunk(chunk, await decoder.value(page.stream, chunk)))
        return found

    def _loads(self, envelope: bytes) -> Any:
        return codec.loads(envelope, self._references)


recognise(ReadableStream, lambda stream: stream._reference)  # noqa: SLF001  # it is what stands for it
recognise(WritableStream, lambda stream: stream._reference)  # noqa: SLF001  # as above


def _chunk(chunk: Chunk, value: Any) -> StreamChunk:
    return StreamChunk(chunk.index, value, chunk.writer, chunk.attempt, chunk.last, chunk.at)


def _check(value: object, options: Any, what: str) -> None:
    known = options.__args__
    if value not in known:
        raise UsageError(f"{what}={value!r} of a stream: give one of {', '.join(map(repr, known))}")


def _names_a_stream(fields: dict[str, Any]) -> bool:
    return all(isinstance(fields.get(name), str) for name in ("name", "runId"))


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
