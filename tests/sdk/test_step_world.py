"""What a step's world answers about streams, asked within an attempt as a process of Node asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from torpor import Client, codec
from torpor.codec.crypto.run_codec import PLAIN
from torpor.codec.frames import bodies_of, frame
from torpor.engine.attempt_streams import writing
from torpor.model import StreamPage
from torpor.sdk.world import Application, SdkWorld
from torpor.stream_names import stored_name
from torpor.testing.worlds.story import RUN, begin_task, claim_step, worker_row
from torpor.worlds.memory import MemoryWorld

NEWS = stored_name(RUN, "news")
SECONDS_MAX = 20


class CountedWorld(MemoryWorld):
    """A world that counts how often somebody has looked what a stream is, and takes nothing of it."""

    looks = 0

    async def read_stream(
        self, run_id: str, name: str, *, start: int = 0, limit: int | None = None, bytes_max: int | None = None
    ) -> StreamPage:
        self.looks += limit == 0
        return await super().read_stream(run_id, name, start=start, limit=limit, bytes_max=bytes_max)


class Asking:
    """An attempt of a step, and what it asks."""

    def __init__(self, world: CountedWorld) -> None:
        self.world = world
        self.client = Client(world)
        self._sdk = SdkWorld(cast("Application", self))

    async def ask(self, method: str, body: bytes = b"", **args: Any) -> tuple[Any, bytes]:
        """Return what is answered."""
        return await self._sdk(method, args, body)

    async def write(self, *values: Any) -> None:
        """Write values to the stream, as the SDK does: several frames in one question."""
        frames = [frame(codec.dumps(value, compress=False)) for value in values]
        await self.ask("streams.write", b"".join(frames), runId=RUN, name=NEWS, sizes=[*map(len, frames)])

    async def read(self, reader: int) -> list[Any]:
        """Return the values that one question is answered with; none behind the last one."""
        async with asyncio.timeout(SECONDS_MAX):
            told, body = await self.ask("streams.next", reader=reader)
        assert (told == "done") == (not body)
        return [codec.loads(each) for each in bodies_of(body)]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """Yield an attempt that runs."""
    world = CountedWorld()
    await world.register(worker_row())
    turn = await begin_task(world)
    await turn.commit(park=True)
    task = await claim_step(world)
    asking = Asking(world)
    attempt = asking.client.streams.attempt(RUN, PLAIN, task.step_id, task.attempt, task.name)
    with writing(attempt):
        yield asking
    attempt.end()


async def test_what_a_stream_is_is_looked_at_once(asking: Asking) -> None:
    """However often the attempt writes to it, and when it closes it."""
    for number in range(5):
        await asking.write(number)
    await asking.ask("streams.close", runId=RUN, name=NEWS)
    assert asking.world.looks == 1
    values = [value async for value in asking.client.run(RUN).stream("news")]
    assert values == [*range(5)]


async def test_a_reader_is_given_what_is_there(asking: Asking) -> None:
    """All chunks with one answer, in their order, and the end behind them."""
    await asking.write("a", "b")
    await asking.write("c")
    await asking.ask("streams.close", runId=RUN, name=NEWS)
    reader, _ = await asking.ask("streams.open", runId=RUN, name=NEWS)
    assert await asking.read(reader) == ["a", "b", "c"]
    assert await asking.read(reader) == []


async def test_a_reader_is_not_given_too_much_at_once(asking: Asking) -> None:
    """Three chunks of 200 KB come two and one; what comes later comes later."""
    await asking.write(*("x" * 200_000,) * 3)
    await asking.ask("streams.info", runId=RUN, name=NEWS)  # by which all of it is stored
    reader, _ = await asking.ask("streams.open", runId=RUN, name=NEWS)
    assert [len(value) for value in await asking.read(reader)] == [200_000] * 2
    assert [len(value) for value in await asking.read(reader)] == [200_000]
    waiting = asyncio.ensure_future(asking.read(reader))
    await asking.write("late")
    assert await waiting == ["late"]
    await asking.ask("streams.leave", reader=reader)
    assert await asking.read(reader) == []
