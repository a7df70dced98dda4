"""Streams: steps write, anybody reads, workflow code passes handles on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.semantics.support import Stage, outcome
from torpor import ReadableStream, WritableStream

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def values(readable: ReadableStream[Any]) -> list[Any]:
    """Return all values of a stream."""
    async with asyncio.timeout(30):
        return [value async for value in readable]


async def test_readable_stream(stage: Stage) -> None:
    """A generator is a step: its result is a stream of what it yields, which is in the run's default stream too."""
    run = await stage.start("readable_stream")
    result = await outcome(run)
    assert isinstance(result, ReadableStream)
    assert await values(result) == [f"{n}\n" for n in range(10)]
    assert await values(run.stream()) == [f"{n}\n" for n in range(10)]


async def test_output_stream(stage: Stage) -> None:
    """A workflow passes the run's stream to steps; a reader who was there before follows it to its close."""
    run = await stage.start("output_stream")
    reading = asyncio.create_task(values(run.stream(until="close")))
    assert await outcome(run) == "done"
    assert await reading == ["first", "second", "third"]


async def test_output_stream_in_step(stage: Stage) -> None:
    """A step takes the run's streams itself, on a thread too."""
    run = await stage.start("output_stream_in_step")
    assert await values(run.stream(until="close")) == [{"n": n} for n in range(5)]
    assert await outcome(run) == "done"
    assert await values(run.stream("side")) == ["aside"]


async def test_named_streams(stage: Stage) -> None:
    """Names tell streams apart; handles are results; streams are listed."""
    run = await stage.start("named_streams")
    handles = await outcome(run)
    assert all(isinstance(handle, WritableStream) for handle in handles)
    assert [(handle.run_id, handle.name) for handle in handles] == [(run.id, "news/ü"), (run.id, "rest")]
    assert await values(run.stream("news/ü", until="close")) == [1, 2]
    assert await values(run.stream("rest")) == ["a"]
    assert await values(run.stream()) == [None]
    assert [(info.name, info.count, info.closed) for info in await run.streams()] == [
        ("", 1, False),
        ("news/ü", 2, True),
        ("rest", 1, False),
    ]
    await handles[1].write("later")
    await handles[1].close()
    assert await values(run.stream("rest", until="close")) == ["a", "later"]


async def test_writable_to_child(stage: Stage) -> None:
    """A child's steps write to its parent's stream."""
    run = await stage.start("writable_to_child", stage.full_name("writing_child"))
    assert await outcome(run) == "written"
    assert await values(run.stream("family", until="close")) == ["from the parent", "from the child"]


async def test_negative_start(stage: Stage) -> None:
    """Reading begins at any index, also counted from the end."""
    run = await stage.start("output_stream")
    await outcome(run)
    assert await values(run.stream(start=1)) == ["second", "third"]
    assert await values(run.stream(start=-1)) == ["third"]
    assert await values(run.stream(start=-99)) == ["first", "second", "third"]
    assert await values(run.stream(start=99)) == []


async def test_tail_index(stage: Stage) -> None:
    """The last index is told, -1 of a stream that nobody wrote."""
    run = await stage.start("output_stream")
    await outcome(run)
    assert await run.stream().tail_index() == 2
    assert await run.stream("none").tail_index() == -1


async def test_chunk_paging(stage: Stage) -> None:
    """Chunks are read page by page, with their indexes, and the last page says so."""
    run = await stage.start("output_stream")
    await outcome(run)
    first = await run.stream().page(limit=2)
    assert ([(chunk.index, chunk.value) for chunk in first.chunks], first.next, first.done) == (
        [(0, "first"), (1, "second")],
        2,
        False,
    )
    second = await run.stream().page(start=first.next, limit=2)
    assert ([(chunk.index, chunk.value) for chunk in second.chunks], second.next, second.done) == (
        [(2, "third")],
        3,
        True,
    )


async def test_streams_pass_from_step_to_step(stage: Stage) -> None:
    """A step reads one stream and writes another, in an `async def` and on a thread."""
    assert await stage.result("pipeline", ["ab", "c"]) == "CBA"


async def test_streams_carry_bytes(stage: Stage) -> None:
    """Raw, and read from an index on."""
    assert await stage.result("bytes_stream") == [b"\1" * 4, b"\2" * 4]


async def test_writing_after_close_is_an_error(stage: Stage) -> None:
    """Closing twice is none."""
    name, cause = await stage.result("streams_are_closed")
    assert (name, cause) == ("StepError", "StreamClosedError")


async def test_chunks_of_a_failed_attempt_stay(stage: Stage) -> None:
    """Marked with their attempt; a retry takes the close of the one before back; readers may ask for the last only."""
    run = await stage.start("attempts")
    assert await outcome(run) == 2
    chunks = [chunk async for chunk in run.stream(until="close").chunks()]
    assert [(chunk.index, chunk.value, chunk.attempt, chunk.is_last_attempt) for chunk in chunks] == [
        (0, "attempt 1", 1, False),
        (1, "more", 1, False),
        (2, "attempt 2", 2, True),
        (3, "more", 2, True),
    ]
    assert await values(run.stream(attempts="last")) == ["attempt 2", "more"]


async def test_workflow_code_neither_reads_nor_writes(stage: Stage) -> None:
    """What it tries is refused, and the error says what to do."""
    told = await stage.result("streams_are_opaque")
    for name in ("write", "close", "read"):
        assert "pass the" in told[name], told
        assert "to a step" in told[name]
    if not stage.speaks_python:
        assert "cannot be made in workflow code; take one of the run's, getReadable()" in told["make"]
        assert "getWritable()" in told["makeWritable"]
        assert "a step that reads one stream and writes another" in told["transform"]
    assert "type" in told["type"]
    assert "7" in told["name"]
    assert "start" in told["start"]


async def test_streams_of_another_run(stage: Stage) -> None:
    """A workflow names a run's streams, and a step reads them."""
    other = await stage.start("named_streams")
    await outcome(other)
    assert await stage.result("streams_of_another", other.id) == [[None], ["a"]]


async def test_streams_outlive_sleep(stage: Stage) -> None:
    """Handles are kept in snapshots and found by a replay, also one that a payload brought."""
    other = await stage.start("output_stream_in_step")
    await outcome(other)
    token = f"streams-{stage.guest}-{stage.runtime}"
    run = await stage.start("sleeping_stream", token)
    await stage.logged(run, "hook_created")
    await stage.resume(token, other.writable("given"))
    readable = await outcome(run)
    lines = ["0\n", "1\n", "2\n"]
    assert await values(readable) == lines
    assert await values(run.stream("kept", until="close")) == lines
    assert await values(other.stream("given")) == ["to the one given"]


async def test_a_step_reads_what_another_one_writes(stage: Stage) -> None:
    """While it does: each value is read before the next one is written."""
    assert await stage.result("live_stream") == [3, [0, 1, 2]]


async def test_a_stream_is_a_start_argument(stage: Stage) -> None:
    """A run's, with the place to begin at."""
    other = await stage.start("output_stream")
    await outcome(other)
    assert await stage.result("given_readable", other.stream(start=-2)) == ["second", "third"]
