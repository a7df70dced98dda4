"""Steps that write streams and read them, for both languages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.semantics.application import app
from torpor import Backoff, ReadableStream, WritableStream, current_step, get_readable, get_writable

QUICKLY = Backoff(first=0.01)


@app.step(name="countdown")
async def countdown(n: int) -> AsyncIterator[str]:
    """Yield lines."""
    for each in range(n):
        yield f"{each}\n"
        await asyncio.sleep(0)


@app.step(name="writeTo")
async def write_to(writable: WritableStream, values: list[Any]) -> int:
    """Write to a stream that was passed."""
    for value in values:
        await writable.write(value)
    return len(values)


@app.step(name="writeSlowly")
async def write_slowly(writable: WritableStream, n: int) -> int:
    """Write one value after the other, each only when the one before was read; then close."""
    echo = aiter(get_readable("echo"))
    for each in range(n):
        await writable.write(each)
        assert await anext(echo) == each
    await writable.close()
    return n


@app.step(name="closeStream")
async def close_stream(writable: WritableStream) -> None:
    """Close it."""
    await writable.close()


@app.step(name="writeNumbers")
def write_numbers(n: int) -> None:
    """Write to the run's own streams on a thread, and close one."""
    writable = get_writable()
    for each in range(n):
        writable.write({"n": each})
    get_writable("side").write("aside")
    writable.close()


@app.step(name="writeBytes")
async def write_bytes(writable: WritableStream, n: int) -> None:
    """Write raw bytes."""
    for each in range(n):
        await writable.write(bytes([each]) * 4)
    await writable.close()


@app.step(name="readAll")
async def read_all(readable: ReadableStream[Any]) -> list[Any]:
    """Read a stream to its end, and echo what is in it."""
    values = []
    async for value in readable:
        await get_writable("echo").write(value)
        values.append(value)
    return values


@app.step(name="lettersInThread")
def letters_in_thread(words: list[str]) -> Iterator[str]:
    """Yield on a thread."""
    for word in words:
        yield from word


@app.step
async def shout(readable: ReadableStream[str]) -> AsyncIterator[str]:
    """Read one stream and write another."""
    async for value in readable:
        yield value.upper()


@app.step(name="reversed")
def reversed_values(readable: ReadableStream[str]) -> Iterator[str]:
    """Read and write on a thread."""
    yield from reversed(list(readable))


@app.step
async def joined(readable: ReadableStream[str]) -> str:
    """Put a stream together."""
    return "".join([value async for value in readable])


@app.step(name="failsOnce", backoff=QUICKLY)
async def fails_once() -> int:
    """Write, fail at the first attempt behind a close, and write again."""
    attempt = current_step().attempt
    writable = get_writable()
    await writable.write(f"attempt {attempt}")
    await writable.write("more")
    await writable.close()
    if attempt == 1:
        raise ConnectionError("not yet")
    return attempt
