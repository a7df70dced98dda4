"""Writing and reading streams: batches, back-pressure, what is durable when, encryption, who is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.engine.support import TIMEOUT, keep_nothing
from torpor import (
    Client,
    OutsideWorkflowError,
    Registry,
    RunNotFoundError,
    StreamClosedError,
    StreamTypeError,
    SyncTorpor,
    Torpor,
    UsageError,
    get_readable,
    get_writable,
)
from torpor.clock import SystemClock
from torpor.codec import dumps
from torpor.codec.crypto.keys import Keyring, generate
from torpor.codec.crypto.run_codec import PLAIN
from torpor.codec.frames import body_of, frame
from torpor.engine import stream_reading
from torpor.engine.attempts import Attempt
from torpor.engine.steps import Steps
from torpor.errors import (
    DecryptionError,
    KeyMissingError,
    LeaseLostError,
    LimitExceededError,
    SerializationError,
    WorldError,
)
from torpor.limits import MIB, STREAM_BATCH_CHUNKS_MAX, STREAM_BUFFER_BYTES_MAX
from torpor.model import Chunk, Notice, Stream, StreamBatch, StreamWriter
from torpor.stream_names import given_name, stored_name
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.story import RUN, new_run
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world
from torpor.worlds.memory import MemoryWorld

NEWS = stored_name(RUN, "news")
KEYS = Keyring([generate()])

steps_of_these_tests = Registry()


class GatedWorld(MemoryWorld):
    """A world that stores batches only when it is let, and may lose its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.arrived = asyncio.Event()
        self.batches: list[StreamBatch] = []
        self.loses = 0

    async def write_stream(self, batch: StreamBatch) -> Stream:
        self.batches.append(batch)
        self.arrived.set()
        await self.gate.wait()
        stream = await super().write_stream(batch)
        if self.loses:
            self.loses -= 1
            raise WorldError("the answer was lost")
        return stream


@pytest.fixture
async def gated() -> GatedWorld:
    """A gated world with a run."""
    world = GatedWorld()
    await world.create_run(new_run())
    return world


async def read(client: Client, name: str = "news", **options: Any) -> list[Any]:
    """Return what is in a stream now, or until it ends."""
    async with asyncio.timeout(TIMEOUT):
        return [value async for value in client.run(RUN).stream(name, **{"until": "now", **options})]


# Writing


async def test_the_first_chunk_goes_at_once_and_others_gather(gated: GatedWorld) -> None:
    """What is written while a batch is under way goes with the next one, so many at most."""
    writable = Client(gated).run(RUN).writable("news")
    writable.write(0)
    await gated.arrived.wait()
    for n in range(1, STREAM_BATCH_CHUNKS_MAX + 3):
        writable.write(n)
    gated.gate.set()
    await writable.close()
    assert [len(each.chunks) for each in gated.batches] == [1, STREAM_BATCH_CHUNKS_MAX, 2]
    assert [each.end is not None for each in gated.batches] == [False, False, True]
    assert await read(Client(gated)) == list(range(STREAM_BATCH_CHUNKS_MAX + 3))


async def test_a_batch_has_so_many_bytes(gated: GatedWorld) -> None:
    """A chunk that has more goes alone."""
    writable = Client(gated).run(RUN).writable("news", type="bytes")
    sizes = [1, MIB // 2, MIB // 2 - 100, 2 * MIB, 5, 6]
    writable.write(b"0")
    await gated.arrived.wait()
    for size in sizes[1:]:
        writable.write(bytes(size))
    gated.gate.set()
    await writable.flush()
    assert [[len(chunk.data) - 4 for chunk in each.chunks] for each in gated.batches] == [
        [1],
        [MIB // 2, MIB // 2 - 100],
        [2 * MIB],
        [5, 6],
    ]


async def attempt_of(client: Client, step: Callable[..., Any], *args: object, attempt: int = 1) -> Any:
    """Make an attempt of a step, and return its outcome."""
    app = Torpor("memory://", root=Path(__file__).parent)
    app.client = client
    app.include(steps_of_these_tests)
    steps = Steps(app.steps, SystemClock(), client.streams, keep_nothing, threads=1)
    name = next(name for name in app.step_names() if name.endswith(f"//{step.__name__}"))
    try:
        given = Attempt(RUN, "step_01", 1, name, attempt, attempt - 1, dumps({"args": [*args]}), PLAIN)
        return await steps.attempt(given)
    finally:
        steps.shutdown()


written: list[int] = []
FULL = STREAM_BUFFER_BYTES_MAX // MIB
is_full = threading.Event()


def _note(n: int) -> None:
    written.append(n)
    if len(written) == FULL:
        is_full.set()


@steps_of_these_tests.step
async def write_much(mebibytes: int) -> None:
    """Write many chunks of a mebibyte, and note each."""
    writable = get_writable("news", type="bytes")
    for n in range(mebibytes):
        await writable.write(bytes(MIB))
        _note(n)


@steps_of_these_tests.step
def write_much_on_a_thread(mebibytes: int) -> None:
    """Do the same on a thread."""
    writable = get_writable("news", type="bytes")
    for n in range(mebibytes):
        writable.write(bytes(MIB))
        _note(n)


@pytest.mark.parametrize("step", [write_much, write_much_on_a_thread])
async def test_a_writer_waits_when_much_is_under_way(gated: GatedWorld, step: Callable[..., Any]) -> None:
    """More than 8 MiB are not held; when the world has stored some, the writer goes on."""
    written.clear()
    is_full.clear()
    client = Client(gated)
    working = asyncio.create_task(attempt_of(client, step, 2 * FULL))
    await gated.arrived.wait()
    assert await asyncio.to_thread(is_full.wait, TIMEOUT)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(written) == FULL
    assert not working.done()
    gated.gate.set()
    assert (await working).type == "step_completed"
    assert len(written) == 2 * FULL
    assert await client.run(RUN).stream("news").tail_index() == 2 * FULL - 1


@steps_of_these_tests.step
async def write_and_return() -> str:
    """Write without waiting."""
    get_writable("news").write("last words")
    return "done"


async def test_a_step_is_complete_only_when_its_chunks_are_stored(gated: GatedWorld) -> None:
    """Whoever sees its outcome can read what it wrote."""
    working = asyncio.create_task(attempt_of(Client(gated), write_and_return))
    await gated.arrived.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not working.done()
    gated.gate.set()
    assert (await working).type == "step_completed"
    assert await read(Client(gated)) == ["last words"]


@steps_of_these_tests.step
async def write_and_fail() -> None:
    """Write without waiting, and fail."""
    get_writable("news").write("last words")
    raise ValueError("broken")


async def test_what_a_failed_attempt_wrote_is_stored_too(gated: GatedWorld) -> None:
    """Before its outcome is."""
    gated.gate.set()
    assert (await attempt_of(Client(gated), write_and_fail)).type == "step_retrying"
    assert await read(Client(gated)) == ["last words"]


async def test_a_world_that_fails_is_tried_again(gated: GatedWorld) -> None:
    """A batch whose answer was lost is stored once."""
    gated.gate.set()
    gated.loses = 2
    assert (await attempt_of(Client(gated), write_and_return)).type == "step_completed"
    assert len(gated.batches) == 3
    assert await read(Client(gated)) == ["last words"]


@steps_of_these_tests.step
async def write_to_closed() -> str:
    """Write to a stream that somebody else closes, and leave without looking."""
    get_writable("news").write("too late")
    return "done"


async def test_a_step_fails_whose_chunks_are_refused(gated: GatedWorld) -> None:
    """Its body has not been told; it must not seem complete."""
    gated.gate.set()
    client = Client(gated)
    await client.run(RUN).writable("news").close()
    outcome = await attempt_of(client, write_to_closed)
    assert outcome.type == "step_retrying"
    assert b"StreamClosedError" in outcome.payload


@steps_of_these_tests.step
async def write_to_closed_and_cope() -> str:
    """Be told, and live with it."""
    try:
        writable = get_writable("news")
        writable.write("too late")
        await writable.flush()
    except StreamClosedError:
        return "coped"
    return "not told"


async def test_a_step_that_was_told_may_complete(gated: GatedWorld) -> None:
    """The refusal is its own business then."""
    gated.gate.set()
    client = Client(gated)
    await client.run(RUN).writable("news").close()
    outcome = await attempt_of(client, write_to_closed_and_cope)
    assert (outcome.type, PLAIN.loads(outcome.payload)) == ("step_completed", "coped")


kept: list[Any] = []


@steps_of_these_tests.step
async def keep_writable() -> None:
    """Let somebody have the stream who is here longer than the step."""
    writable = get_writable("news")
    writable.write("in time")
    kept.append(lambda: writable.write("too late"))


async def test_an_attempt_that_is_over_writes_nothing(gated: GatedWorld) -> None:
    """Else its chunks would come after its outcome."""
    gated.gate.set()
    await attempt_of(Client(gated), keep_writable)
    sink = kept.pop()
    await sink()  # outside of the attempt it is anybody's
    assert await read(Client(gated)) == ["in time", "too late"]
    with pytest.raises(LeaseLostError):
        await gated.write_stream(batch("x", name=NEWS, attempt=0))


leftovers: list[threading.Thread] = []


@steps_of_these_tests.step
def leave_a_thread() -> None:
    """Leave a thread behind that writes when the step is over."""
    import contextvars  # noqa: PLC0415  # nothing else here needs it

    writable = get_writable("news")
    context = contextvars.copy_context()
    go = threading.Event()

    def write_later() -> None:
        go.wait(TIMEOUT)
        try:
            context.run(writable.write, "too late")
        except UsageError as error:
            kept.append(str(error))

    leftovers.append(thread := threading.Thread(target=write_later))
    thread.start()
    kept.append(go)


async def test_a_thread_that_outlives_its_step_is_refused(gated: GatedWorld) -> None:
    """It learns that the attempt is over."""
    gated.gate.set()
    await attempt_of(Client(gated), leave_a_thread)
    kept.pop().set()
    await asyncio.to_thread(leftovers.pop().join)
    assert "is over" in kept.pop()
    assert await read(Client(gated)) == []


async def test_what_cannot_be_written_is_refused_where_it_is_written() -> None:
    """The stream is none the worse."""
    world = MemoryWorld()
    await world.create_run(new_run())
    run = Client(world).run(RUN)
    with pytest.raises(SerializationError, match=r"a chunk of stream strm_01A_user_bmV3cw cannot be stored"):
        run.writable("news").write(lambda: 1)
    with pytest.raises(UsageError, match="it carries bytes, and was given a str"):
        run.writable("file", type="bytes").write("text")
    with pytest.raises(LimitExceededError, match="in pieces"):
        run.writable("file", type="bytes").write(memoryview(bytes(100_000_001)))
    await run.writable("file", type="bytes").write(b"")  # which is no chunk
    assert await run.streams() == []
    await run.writable("file", type="bytes").write(b"1")
    with pytest.raises(StreamTypeError):
        await run.writable("file").write(1)
    assert [(info.name, info.type, info.count) for info in await run.streams()] == [("file", "bytes", 1)]


async def test_options_that_make_no_sense_are_refused() -> None:
    """With what they may be."""
    run = Client(MemoryWorld()).run(RUN)
    wrong: list[Callable[[], object]] = [
        lambda: run.stream("news", until="later"),  # type: ignore[arg-type]
        lambda: run.stream("news", attempts="first"),  # type: ignore[arg-type]
        lambda: run.stream("news", start="1"),  # type: ignore[arg-type]
        lambda: run.stream(7),  # type: ignore[arg-type]
        lambda: run.stream("x" * 257),
        lambda: run.writable("news", type="text"),  # type: ignore[arg-type]
    ]
    for each in wrong:
        with pytest.raises(UsageError):
            each()
    with pytest.raises(UsageError, match="from 1 to 1000"):
        await run.stream().page(limit=0)
    with pytest.raises(RunNotFoundError):
        await run.stream().tail_index()
    for here in (get_writable, get_readable):
        with pytest.raises(OutsideWorkflowError, match=r"run\.stream\(…\)"):
            here()


async def test_large_values_keep_their_place() -> None:
    """They are encoded on a thread; what is written behind them comes behind them, and one that cannot be is told."""
    world = MemoryWorld()
    await world.create_run(new_run())
    client = Client(world)
    writable = client.run(RUN).writable("news")
    large = ["x" * 100_000] * 10
    writable.write("before")
    writable.write(large)
    writable.write("between")
    await writable.write(large)
    await writable.write("behind")
    assert await read(client) == ["before", large, "between", large, "behind"]
    with pytest.raises(SerializationError):
        await writable.write([*large, object()])
    assert await client.run(RUN).stream("news").tail_index() == 4


stopped: list[str] = []


@steps_of_these_tests.step(timeout="50ms")
async def yield_for_ever() -> AsyncIterator[int]:
    """Yield one value, and then nothing for long."""
    try:
        yield 1
        await asyncio.sleep(TIMEOUT)
    finally:
        stopped.append("asynchronous")


@steps_of_these_tests.step
def yield_and_fail() -> Iterator[int]:
    """Yield on a thread, and fail."""
    try:
        yield 1
        raise ValueError("broken")
    finally:
        stopped.append("on a thread")


@pytest.mark.parametrize(("step", "error"), [(yield_for_ever, TimeoutError), (yield_and_fail, ValueError)])
async def test_a_generator_that_ends_early_is_closed(
    gated: GatedWorld, step: Callable[..., Any], error: type[Exception]
) -> None:
    """By a timeout, or by an error of its own; what it had yielded is stored, and the step tried again."""
    gated.gate.set()
    stopped.clear()
    outcome = await attempt_of(Client(gated), step)
    assert outcome.type == "step_retrying"
    assert isinstance(PLAIN.loads(outcome.payload), error)
    assert len(stopped) == 1
    assert await read(Client(gated), "") == [1]


# Reading


@pytest.fixture
def without_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers depend on being told: the look from time to time never comes."""
    monkeypatch.setattr(stream_reading, "_LOOK_AGAIN_SECONDS", 3_600)


@pytest.mark.usefixtures("without_looks")
@pytest.mark.parametrize("shared", [False, True])
async def test_a_reader_is_told_of_what_is_written(tmp_path: Path, shared: bool) -> None:
    """By who writes in the same world, and in another one on the same file, chunk by chunk; also of the close."""
    url = f"sqlite:///{tmp_path}/torpor.db"
    async with opened(open_world(url)) as world, opened(open_world(url)) as other:
        await world.create_run(new_run())
        reading = aiter(Client(other if shared else world).run(RUN).stream("news"))
        writable = Client(world).run(RUN).writable("news")
        async with asyncio.timeout(TIMEOUT):
            for n in range(5):
                coming = asyncio.ensure_future(anext(reading))
                await asyncio.sleep(0)
                await writable.write(n)
                assert await coming == n
            coming = asyncio.ensure_future(anext(reading, "end"))
            await writable.close()
            assert await coming == "end"


@pytest.mark.usefixtures("without_looks")
async def test_a_busy_neighbour_is_looked_at_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices that name no run may mean anything; one that names this run is followed at once."""
    world = GatedWorld()
    world.gate.set()
    await world.create_run(new_run())
    pauses: list[float] = []
    looked = asyncio.Event()
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds or asyncio.current_task() is reading:
            pauses.append(seconds)
        await sleep(0)

    async def look(*args: Any, **kwargs: Any) -> Any:
        try:
            return await MemoryWorld.read_stream(world, *args, **kwargs)
        finally:
            looked.set()

    monkeypatch.setattr(world, "read_stream", look)
    monkeypatch.setattr(asyncio, "sleep", noted)
    reading = asyncio.create_task(read(Client(world), until="close"))
    for _ in range(8):
        await asyncio.wait_for(looked.wait(), TIMEOUT)
        looked.clear()
        await sleep(0)
        world._store.notifier.notify(Notice(None, work=True, ended=True, written=True))
    await asyncio.wait_for(looked.wait(), TIMEOUT)
    assert pauses == [0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.016, 0.016]
    await Client(world).run(RUN).writable("news").write(1)
    await Client(world).run(RUN).writable("news").close()
    assert await reading == [1]
    assert len(pauses) == 8


@pytest.mark.usefixtures("without_looks")
async def test_a_reader_ends_with_the_run() -> None:
    """Nobody closed the stream; who asks for the close reads on."""
    world = MemoryWorld()
    await world.create_run(new_run())
    run = Client(world).run(RUN)
    await run.writable("news").write(1)
    ending = asyncio.create_task(read(Client(world), until="end"))
    closing = asyncio.create_task(read(Client(world), until="close"))
    none = asyncio.create_task(read(Client(world), "none", until="end"))
    await asyncio.sleep(0)
    await run.cancel()
    assert await ending == [1]
    assert await none == []
    await run.writable("news").write(2)
    await run.writable("news").close()
    assert await closing == [1, 2]


async def test_nobody_listens_when_nobody_follows() -> None:
    """The subscription ends with the last reader, also one who leaves early."""
    world = MemoryWorld()
    await world.create_run(new_run())
    client = Client(world)
    await client.run(RUN).writable("news").write(1)
    reading = client.run(RUN).stream("news").chunks()
    assert (await anext(reading)).value == 1
    assert bool(world._store.notifier)
    assert isinstance(reading, AsyncIterator)
    await reading.aclose()  # type: ignore[attr-defined]  # it is a generator
    for _ in range(10):
        await asyncio.sleep(0)
    assert not world._store.notifier


async def test_a_place_from_the_end_is_looked_for_when_there_is_something() -> None:
    """A reader of the last two of nothing gets all that comes."""
    world = MemoryWorld()
    await world.create_run(new_run())
    client = Client(world)
    reading = asyncio.create_task(read(client, start=-2, until="close"))
    await asyncio.sleep(0)
    await client.run(RUN).writable("news").write(1)
    await client.run(RUN).writable("news").close()
    assert await reading == [1]


async def test_scripts_read_and_write(tmp_path: Path) -> None:
    """With plain iteration, behind blocking calls."""

    def script() -> list[Any]:
        app = Torpor(f"sqlite:///{tmp_path}/torpor.db", root=tmp_path, keys="")
        with SyncTorpor(app) as torpor:
            torpor.wait(app.world.create_run(new_run()))
            run = torpor.run(RUN)
            for n in range(3):
                run.write(n, "news")
            run.close_stream("news")
            stream = run.stream("news")
            told = [list(stream), [chunk.index for chunk in stream.chunks()], stream.tail_index()]
            told += [stream.page(start=1).next, stream.info().closed, [info.name for info in run.streams()]]
            return told

    assert await asyncio.to_thread(script) == [[0, 1, 2], [0, 1, 2], 2, 3, True, ["news"]]


# Encryption


async def encrypted() -> MemoryWorld:
    """Return a world with an encrypted run, to whose stream two writers have written."""
    world = MemoryWorld()
    its = KEYS.run(RUN, KEYS.current)
    await world.create_run(replace(new_run(), key_id=KEYS.current, public=its.public, seed=b""))
    client = Client(world, KEYS)
    one, other = client.run(RUN).writable("news"), client.run(RUN).writable("news")
    for n in range(3):
        await one.write({"n": n, "text": "qMarker"})
        await other.write([n])
    await one.close()
    return world


VALUES = [value for n in range(3) for value in ({"n": n, "text": "qMarker"}, [n])]


async def test_chunks_are_encrypted_as_the_sdk_does() -> None:
    """A frame is a length and an encrypted envelope; nothing readable is stored."""
    world = await encrypted()
    assert await read(Client(world, KEYS)) == VALUES
    page = await world.read_stream(RUN, NEWS)
    for chunk, value in zip(page.chunks, VALUES, strict=True):
        body = body_of(chunk.data)
        assert body.startswith(b"encr")
        assert int.from_bytes(chunk.data[:4]) == len(body)
        assert b"qMarker" not in chunk.data
        assert KEYS.run(RUN, KEYS.current).loads(body) == value
    with pytest.raises(KeyMissingError):
        await read(Client(world))
    with pytest.raises(KeyMissingError):
        await Client(world).run(RUN).writable("news").write(1)


async def test_values_are_not_compressed() -> None:
    """The SDK leaves out chunks that are."""
    world = MemoryWorld()
    await world.create_run(new_run())
    await Client(world).run(RUN).writable("news").write("x" * 5_000)
    (chunk,) = (await world.read_stream(RUN, NEWS)).chunks
    assert body_of(chunk.data).startswith(b"devl")


async def test_bytes_are_encrypted_too() -> None:
    """They come back as they were."""
    world = await encrypted()
    client = Client(world, KEYS)
    await client.run(RUN).writable("file", type="bytes").write(b"qMarker")
    (chunk,) = (await world.read_stream(RUN, stored_name(RUN, "file"))).chunks
    assert b"qMarker" not in chunk.data
    assert await read(client, "file") == [b"qMarker"]


def _swap(chunks: list[Chunk]) -> None:
    chunks[0], chunks[2] = replace(chunks[2], index=0), replace(chunks[0], index=2)


def _leave_out(chunks: list[Chunk]) -> None:
    del chunks[2]
    chunks[2:] = [replace(chunk, index=chunk.index - 1) for chunk in chunks[2:]]


def _repeat(chunks: list[Chunk]) -> None:
    chunks.append(replace(chunks[0], index=6))


def _rename(chunks: list[Chunk]) -> None:
    chunks[0] = replace(chunks[0], writer=chunks[1].writer)


def _plain(chunks: list[Chunk]) -> None:
    chunks[0] = replace(chunks[0], data=frame(dumps("forged")))


def _other_attempt(chunks: list[Chunk]) -> None:
    chunks[0] = replace(chunks[0], attempt=1)


def _without_tag(chunks: list[Chunk]) -> None:
    chunks[0] = replace(chunks[0], tag=b"")


@pytest.mark.parametrize(
    "forge", [_swap, _leave_out, _repeat, _rename, _plain, _other_attempt, _without_tag], ids=lambda f: f.__name__[1:]
)
async def test_who_has_no_key_changes_nothing_unnoticed(forge: Callable[[list[Chunk]], None]) -> None:
    """Who may write the database: chunks changed, moved, left out, repeated, given to others."""
    world = await encrypted()
    rows = world._store.runs[RUN].streams[NEWS]
    forge(rows.chunks)
    rows.writers |= {chunk.writer: StreamWriter(chunk.writer, chunk.attempt, 3) for chunk in rows.chunks}
    rows.stream = replace(rows.stream, count=len(rows.chunks))
    with pytest.raises(DecryptionError, match=r"stream strm_01A_user_bmV3cw"):
        await read(Client(world, KEYS))


async def test_an_end_is_made_by_a_holder_of_the_key() -> None:
    """Else a stream could be cut short behind what its closer has written before."""
    world = await encrypted()
    rows = world._store.runs[RUN].streams[NEWS]
    del rows.chunks[4:]
    assert rows.stream.end is not None
    rows.stream = replace(rows.stream, count=4)
    with pytest.raises(DecryptionError, match="ended it behind 3 chunks of its own, and 2 are there"):
        await read(Client(world, KEYS))
    assert rows.stream.end is not None
    rows.stream = replace(rows.stream, end=replace(rows.stream.end, n=2))
    with pytest.raises(DecryptionError, match="the end by"):
        await read(Client(world, KEYS))


async def test_a_stream_of_another_run_is_none_of_this() -> None:
    """Chunks do not move from run to run, nor from stream to stream."""
    world = await encrypted()
    streams = world._store.runs[RUN].streams
    other = stored_name(RUN, "other")
    streams[other] = streams[NEWS]
    streams[other].stream = replace(streams[NEWS].stream, name=other)
    with pytest.raises(DecryptionError, match="was not written there"):
        await read(Client(world, KEYS), "other")


# Names


@pytest.mark.parametrize("name", ["", "news", "news/ü", "a_b", "x" * 256])
def test_names_come_back(name: str) -> None:
    """What is stored is the SDK's name, and tells the author's."""
    stored = stored_name("wrun_01A", name)
    assert stored.startswith("strm_01A_user")
    assert given_name("wrun_01A", stored) == name
    assert stored_name("wrun_01A", stored) == stored


@pytest.mark.parametrize("stored", ["strm_01B", "strm_01A_user_%", "strm_01A_user_bmV3cx", "strm_01AX_user"])
def test_other_names_stay(stored: str) -> None:
    """They are known by what they are stored under."""
    assert given_name("wrun_01A", stored) == stored
