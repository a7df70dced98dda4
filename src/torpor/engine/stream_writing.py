"""
Writing to streams: what a writer gives is taken at once, and stored in batches.

A :class:`Sink` is one writer of one stream. The first chunk is stored as soon as the event loop runs; what is given
while a batch is on its way to the world goes with the next one. So a slow writer's chunks are seen at once, and a quick
one's share their commits. When more has been given than the world takes, the writer waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

from torpor import codec
from torpor.clock import Clock
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.frames import HEADER_BYTES, Place, frame
from torpor.codec.large import in_thread_if, is_large_value
from torpor.engine.observer import Observer, ignore
from torpor.engine.retry import Retrying
from torpor.errors import DamagedError, LimitExceededError, StreamClosedError, UsageError, WorldError
from torpor.limits import (
    FRAME_BYTES_MAX,
    STREAM_BATCH_BYTES_MAX,
    STREAM_BATCH_CHUNKS_MAX,
    STREAM_BUFFER_BYTES_MAX,
)
from torpor.model import NewChunk, StreamBatch, StreamType
from torpor.retries import Backoff
from torpor.world import World

_WORLD_BACKOFF: Final = Backoff(first=0.05, most=10)
_ENCRYPTION_BYTES: Final = 32  # prefix, nonce and tag
_BODY_BYTES_MAX: Final = FRAME_BYTES_MAX - HEADER_BYTES - _ENCRYPTION_BYTES

GetCodec = Callable[[str], Awaitable[RunCodec]]
Admit = Callable[[str, int], Awaitable[None]]


class Taken:
    """What a write returns: awaited, it waits until there is room for more; the value is on its way in any case."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Awaitable[None]] | None = None) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, None, None]:
        if self._wait is not None:
            yield from self._wait().__await__()


class Sink:
    """
    One writer of one stream. It belongs to an event loop, and may be given chunks on any thread.

    Args:
        world: stores them.
        codec_of: returns the codec of a run.
        run_id, name: which stream.
        type: what it carries.
        writer, attempt: who writes.
        observe: is told when the world fails, which is tried again.
        admit: lets chunks of a run be stored, of so many bytes, or raises why they may not.

    Attributes:
        first: a lower bound of the indexes of its chunks, None before the first one is stored.
        behind: an upper bound, excluded.
    """

    def __init__(
        self,
        world: World,
        codec_of: GetCodec,
        run_id: str,
        name: str,
        type: StreamType,  # noqa: A002  # the model's word
        writer: str,
        attempt: int = 0,
        observe: Observer = ignore,
        admit: Admit | None = None,
    ) -> None:
        self.run_id, self.name, self.type = run_id, name, type
        self.writer, self.attempt = writer, attempt
        self.first: int | None = None
        self.behind = 0
        self._world = world
        self._clock: Clock = world.clock
        self._codec_of = codec_of
        self._observe = observe
        self._admit = admit
        self.loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # of what follows
        self._buffer: deque[bytes | asyncio.Task[bytes | None]] = deque()
        self._buffered = 0  # bytes that the world has not stored …
        self._on_its_way = 0  # … those among them that it was given
        self._closing = False
        self._over = ""  # why nothing is taken any more
        self._is_awake = False
        # Of the loop:
        self._sent = 0
        self._closed = False
        self._error: BaseException | None = None
        self._is_told = False
        self._work: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def write(self, value: object) -> Taken:
        """
        Take a value, or bytes where the stream carries bytes. On another thread than the loop's this waits for room.

        A large value is encoded off the loop, and must not be changed before the write was awaited.

        Raises:
            SerializationError, LimitExceededError: it cannot be stored.
            StreamClosedError: the stream has ended.
            UsageError: it is no bytes, or the attempt is over.
        """
        is_here = running_loop() is self.loop
        if is_here and self.type != "bytes" and is_large_value(value):
            return self._write_large(value)
        body = self._encoded(value)
        if body is None:
            return Taken()
        with self._lock:
            self._check_open()
            self._buffer.append(body)
            self._buffered += len(body)
            is_full = self._buffered > STREAM_BUFFER_BYTES_MAX
        self._wake()
        if is_here:
            return Taken(self._room)
        return self._elsewhere(self._room) if is_full else Taken()

    def write_body(self, body: bytes) -> Taken:
        """
        Take a chunk that somebody else has encoded, on the loop; what is to be awaited, and raised, as :meth:`write`.

        Args:
            body: an envelope that is not encrypted, or bytes where the stream carries bytes.
        """
        with self._lock:
            self._check_open()
            self._buffer.append(body)
            self._buffered += len(body)
        self._wake()
        return Taken(self._room)

    def _write_large(self, value: object) -> Taken:
        """Keep a place for a value that is being encoded: what is written behind it is stored behind it."""
        with self._lock:
            self._check_open()
            place = self.loop.create_task(in_thread_if(True, self._encoded, value))
            self._buffer.append(place)
        self._wake()

        async def taken() -> None:
            await asyncio.wait([place])
            await self._room()

        return Taken(taken)

    def close(self) -> Taken:
        """End the stream behind what was written; awaited, or on another thread, wait until that is stored."""
        with self._lock:
            self._check_attempt()
            self._closing = True
        self._wake()
        return Taken(self.flush) if running_loop() is self.loop else self._elsewhere(self.flush)

    async def flush(self) -> None:
        """
        Wait until all that was written is stored.

        Raises:
            StreamClosedError, LeaseLostError, KeyMissingError: it cannot be; told once.
        """
        while self._is_awake and self._error is None and not self._over:
            await self._next_batch()
        self._raise()

    def end(self, why: str) -> None:
        """Take nothing more, for this reason, and drop what is not stored."""
        with self._lock:
            self._over = why
            for waiting in self._buffer:
                if not isinstance(waiting, bytes):
                    waiting.cancel()
            self._buffer.clear()
        if self._work is not None:
            self._work.cancel()
        self._tell()

    # Within

    def _encoded(self, value: object) -> bytes | None:
        what = f"a chunk of stream {self.name}"
        if self.type != "bytes":
            return codec.dumps(value, what, compress=False)
        if not isinstance(value, bytes | bytearray | memoryview):
            raise UsageError(f"{what}: it carries bytes, and was given a {type(value).__name__}; encode it first")
        body = bytes(value)
        if len(body) > _BODY_BYTES_MAX:
            raise LimitExceededError(
                f"{what} has {len(body):,} bytes, and one chunk has {_BODY_BYTES_MAX:,} at most; write it in pieces"
            )
        return body or None  # as in the SDK, nothing is no chunk

    def _check_attempt(self) -> None:
        if self._over:
            raise UsageError(f"nothing is written to stream {self.name} of run {self.run_id} any more: {self._over}")

    def _check_open(self) -> None:
        self._check_attempt()
        if self._closing:
            raise StreamClosedError(
                f"stream {self.name} of run {self.run_id} was closed here, and nothing is written behind that; close "
                "it later, or write to another one"
            )
        if self._error is not None:
            self._is_told = True
            raise self._error

    def _elsewhere(self, wait: Callable[[], Awaitable[None]]) -> Taken:
        """Wait on a thread that is not the loop's; where that has a loop of its own, let it go on."""

        async def waited() -> None:
            await wait()

        waiting = asyncio.run_coroutine_threadsafe(waited(), self.loop)
        if running_loop() is None:
            waiting.result()
            return Taken()
        return Taken(lambda: asyncio.wrap_future(waiting))

    def _wake(self) -> None:
        """Have what was given stored."""
        with self._lock:
            if self._is_awake:
                return
            self._is_awake = True
        if running_loop() is self.loop:
            self._begin()
        else:
            self.loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._work = self.loop.create_task(self._store_all())

    async def _room(self) -> None:
        await asyncio.sleep(0)  # else who never waits for anything would hold up the first batch
        while self._buffered > STREAM_BUFFER_BYTES_MAX and self._error is None and not self._over:
            await self._next_batch()
        self._raise()

    async def _next_batch(self) -> None:
        waiting: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def _raise(self) -> None:
        if self._error is not None and not self._is_told:
            self._is_told = True
            raise self._error

    async def _store_all(self) -> None:
        try:
            run_codec = await self._codec_of(self.run_id)
            place = Place(run_codec, self.name, self.writer, self.attempt)
            while (batch := await self._next(run_codec, place)) is not None:
                await self._store(batch)
                self._tell()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # whoever writes next, or ends the attempt, gets it
            self._error = error
        finally:
            self._tell()

    async def _next(self, run_codec: RunCodec, place: Place) -> StreamBatch | None:
        """Return what is to be stored now; with None the sink is asleep."""
        await self._encode_first()
        with self._lock:
            bodies = self._taken()
            is_end = self._closing and not self._closed and not self._buffer
            if not bodies and not is_end:
                self._is_awake = False
                return None
        frames = [frame(run_codec.encrypt(body)) for body in bodies]
        return StreamBatch(
            run_id=self.run_id,
            name=self.name,
            type=self.type,
            writer=self.writer,
            attempt=self.attempt,
            first=self._sent,
            chunks=tuple(NewChunk(data, place.tag(self._sent + n, data)) for n, data in enumerate(frames)),
            end=place.end_tag(self._sent + len(frames)) if is_end else None,
        )

    async def _encode_first(self) -> None:
        """Wait until the first one in the buffer is encoded."""
        with self._lock:
            first = self._buffer[0] if self._buffer else b""
        if isinstance(first, bytes):
            return
        body = await first
        with self._lock:
            assert body is not None, "only bytes may be nothing"
            self._buffer[0] = body
            self._buffered += len(body)

    def _taken(self) -> list[bytes]:
        size = 0
        bodies: list[bytes] = []
        while self._buffer and len(bodies) < STREAM_BATCH_CHUNKS_MAX:
            first = self._buffer[0]
            if not isinstance(first, bytes):
                break
            size += len(first)
            if bodies and size > STREAM_BATCH_BYTES_MAX:
                break
            bodies.append(first)
            self._buffer.popleft()
        self._on_its_way = sum(map(len, bodies))
        return bodies

    async def _store(self, batch: StreamBatch) -> None:
        retrying = Retrying(self._clock, _WORLD_BACKOFF, f"writing of stream {self.name}", self._observe)
        is_first_try = True
        admit = self._admit if batch.chunks else None
        while True:
            try:
                if admit is not None:
                    await admit(batch.run_id, sum(len(chunk.data) for chunk in batch.chunks))
                    admit = None
                stream = await self._world.write_stream(batch)
                break
            except DamagedError:
                raise
            except WorldError as error:  # nothing of it is stored, or the world knows that it comes again
                is_first_try = False
                await retrying.pause(error)
        with self._lock:
            self._buffered -= self._on_its_way
        self._sent += len(batch.chunks)
        self._closed = self._closed or batch.end is not None
        if self.first is None and batch.chunks:
            # What was stored by a try whose answer was lost stands anywhere before.
            self.first = stream.count - len(batch.chunks) if is_first_try else 0
        self.behind = stream.count


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs on this thread, None where none does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
