"""Streams in workflow code: see streams.js."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.semantics.application import app
from tests.semantics.flows.stream_steps import (
    close_stream,
    countdown,
    fails_once,
    joined,
    letters_in_thread,
    read_all,
    reversed_values,
    shout,
    write_bytes,
    write_numbers,
    write_slowly,
    write_to,
)
from torpor import ReadableStream, StepError, UsageError, WritableStream, get_readable, get_writable, hook


@app.workflow
async def readable_stream() -> Any:
    """Return the stream that a step makes."""
    return await countdown(10)


@app.workflow
async def output_stream() -> str:
    """Have steps write to the run's default stream."""
    writable = get_writable()
    await write_to(writable, ["first", "second", "third"])
    await close_stream(writable)
    return "done"


@app.workflow
async def output_stream_in_step() -> str:
    """Have a step take the stream itself."""
    await write_numbers(5)
    return "done"


@app.workflow
async def named_streams() -> list[WritableStream]:
    """Write to several at once."""
    news = get_writable("news/ü")
    rest = get_writable("rest")
    await asyncio.gather(write_to(news, [1, 2]), write_to(rest, ["a"]), write_to(get_writable(), [None]))
    await close_stream(news)
    return [news, rest]


@app.workflow
async def writable_to_child(child: str) -> Any:
    """Pass a stream to another run."""
    writable = get_writable("family")
    await write_to(writable, ["from the parent"])
    run = await app.start(child, writable)
    told = await run.result()
    await close_stream(writable)
    return told


@app.workflow
async def writing_child(writable: WritableStream) -> str:
    """Have a step write to another run's stream."""
    await write_to(writable, ["from the child"])
    return "written"


@app.workflow
async def pipeline(words: list[str]) -> Any:
    """Pass streams from step to step."""
    letters = await letters_in_thread(words)
    loud = await shout(letters)
    return await joined(await reversed_values(loud))


@app.workflow
async def bytes_stream() -> Any:
    """Write bytes, and read some of them."""
    await write_bytes(get_writable("file", type="bytes"), 3)
    return await read_all(get_readable("file", start=1))


@app.workflow
async def streams_are_closed() -> Any:
    """Close twice, and write behind that."""
    writable = get_writable()
    await write_to(writable, [1])
    await close_stream(writable)
    await close_stream(writable)
    try:
        await write_to(writable, [2])
    except StepError as error:
        return [type(error).__name__, type(error.__cause__).__name__]


@app.workflow
async def attempts() -> Any:
    """Call a step that writes, and fails once."""
    return await fails_once()


@app.workflow
async def streams_are_opaque() -> dict[str, str]:
    """Try what workflow code may not do."""
    tries: dict[str, Callable[[], Any]] = {
        "write": lambda: get_writable().write(1),
        "close": lambda: get_writable().close(),
        "read": lambda: aiter(get_readable()),
        "type": lambda: get_writable(type="text"),  # type: ignore[arg-type]  # that is what is tried
        "name": lambda: get_writable(7),  # type: ignore[arg-type]  # as above
        "start": lambda: get_readable(start="1"),  # type: ignore[arg-type]  # as above
    }
    told = {}
    for name, act in tries.items():
        try:
            told[name] = repr(act())
        except (UsageError, TypeError) as error:
            told[name] = f"{type(error).__name__}: {error}"
    return told


@app.workflow
async def streams_of_another(other: str) -> Any:
    """Have a step read another run's streams."""
    run = app.run(other)
    readable: ReadableStream[Any] = run.stream()
    return [await read_all(readable), await read_all(run.stream("rest", start=-1))]


@app.workflow
async def sleeping_stream(token: str) -> Any:
    """Keep streams over a sleep, and be given another one."""
    kept = {"writable": get_writable("kept")}
    readable = await countdown(3)
    given = await hook(token)
    await write_to(kept["writable"], await read_all(readable))
    await write_to(given, ["to the one given"])
    await close_stream(kept["writable"])
    return readable


@app.workflow
async def live_stream() -> Any:
    """Have one step read what another one writes meanwhile."""
    return await asyncio.gather(write_slowly(get_writable("raw"), 3), read_all(get_readable("raw")))


@app.workflow
async def given_readable(readable: ReadableStream[Any]) -> Any:
    """Have a step read what the starter has passed."""
    return await read_all(readable)
