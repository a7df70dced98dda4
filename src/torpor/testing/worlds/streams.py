"""Streams: batches of chunks, pages, ends, attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError, StreamClosedError, StreamTypeError
from torpor.model import Chunk, Stream, StreamEnd, StreamPage
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.notices import Ear
from torpor.testing.worlds.story import OTHER, RUN, T, begin, ending, new_run
from torpor.testing.worlds.suite import MakeWorld, Suite, at_once, opened
from torpor.world import World

_MANY = 40


def texts(page: StreamPage) -> list[str]:
    """Return what the chunks of a page hold."""
    return [chunk.data.decode() for chunk in page.chunks]


class StreamsSuite(Suite):
    """The ``Streams`` protocol."""

    async def test_chunks_come_back_in_order(self, world: World, clock: ManualClock) -> None:
        """With their indexes, their writers' own numbers, times and tags."""
        await world.create_run(new_run())
        first = await world.write_stream(batch("a", "b"))
        assert first == Stream(RUN, "news", "", 2, 2, T, T)
        clock.advance(5)
        second = await world.write_stream(batch("cc", writer="step_02"))
        assert second == Stream(RUN, "news", "", 3, 4, T, T + 5)
        page = await world.read_stream(RUN, "news")
        assert page == StreamPage(
            (
                Chunk(0, b"a", b"tag of a", "step_01", 1, 0, T),
                Chunk(1, b"b", b"tag of b", "step_01", 1, 1, T),
                Chunk(2, b"cc", b"tag of cc", "step_02", 1, 0, T + 5),
            ),
            0,
            second,
            run_ended=False,
        )
        assert (page.next, page.is_last) == (3, False)

    async def test_a_stream_that_nobody_wrote_is_empty(self, world: World) -> None:
        """It is no error to read it; only its run must be there."""
        await world.create_run(new_run())
        assert await world.read_stream(RUN, "news", start=-3) == StreamPage((), 0, None, run_ended=False)
        with pytest.raises(RunNotFoundError, match="wrun_01B"):
            await world.read_stream(OTHER, "news")
        with pytest.raises(RunNotFoundError, match="wrun_01B"):
            await world.streams(OTHER)
        with pytest.raises(RunNotFoundError, match="wrun_01B"):
            await world.write_stream(batch("a", run_id=OTHER))

    @pytest.mark.parametrize(
        ("start", "limit", "wanted"),
        [
            (0, None, "abcdef"),
            (2, None, "cdef"),
            (2, 3, "cde"),
            (6, None, ""),
            (99, None, ""),
            (-2, None, "ef"),
            (-2, 1, "e"),
            (-99, None, "abcdef"),
            (0, 0, ""),
        ],
    )
    async def test_reading_begins_anywhere(self, world: World, start: int, limit: int | None, wanted: str) -> None:
        """Also counted from the end, and not beyond the beginning."""
        await world.create_run(new_run())
        await world.write_stream(batch(*"abcdef"))
        page = await world.read_stream(RUN, "news", start=start, limit=limit)
        assert "".join(texts(page)) == wanted
        assert page.start == (start if start >= 0 else max(0, 6 + start))

    async def test_a_page_has_so_many_bytes_at_most(self, world: World) -> None:
        """A chunk that has more comes alone; pages put together are the whole."""
        await world.create_run(new_run())
        await world.write_stream(batch("aa", "b", "c" * 9, "d", "e", "f"))
        pages = [await world.read_stream(RUN, "news", bytes_max=3)]
        while pages[-1].next != 6:
            pages.append(await world.read_stream(RUN, "news", start=pages[-1].next, bytes_max=3))
        assert [texts(page) for page in pages] == [["aa", "b"], ["c" * 9], ["d", "e", "f"]]

    async def test_a_closed_stream_takes_nothing(self, world: World, clock: ManualClock) -> None:
        """Who reads to its end knows that nothing follows; closing it again changes nothing."""
        await world.create_run(new_run())
        await world.write_stream(batch("a"))
        clock.advance(1)
        closed = await world.write_stream(batch("b", first=1, end=True))
        assert closed.end == StreamEnd("step_01", 1, 2, b"end", T + 1)
        page = await world.read_stream(RUN, "news", start=1)
        assert (texts(page), page.is_last) == (["b"], True)
        assert not (await world.read_stream(RUN, "news", limit=1)).is_last
        for late in (batch("c", first=2), batch("c", writer="step_02"), batch("c", writer="step_02", end=True)):
            with pytest.raises(StreamClosedError, match=r"stream news of run wrun_01A is closed"):
                await world.write_stream(late)
        assert await world.write_stream(batch(first=2, end=True)) == closed
        assert await world.write_stream(batch(writer="step_02", end=True)) == closed
        assert (await world.read_stream(RUN, "news")).stream == closed

    async def test_anybody_closes_a_stream(self, world: World) -> None:
        """Also one that nobody has written to."""
        await world.create_run(new_run())
        await world.write_stream(batch("a"))
        await world.write_stream(batch(writer="wrtr_1", attempt=0, end=True))
        await world.write_stream(batch(name="empty", end=True))
        assert (await world.read_stream(RUN, "news", start=1)).is_last
        assert (await world.read_stream(RUN, "empty")).is_last

    async def test_a_batch_that_comes_twice_is_stored_once(self, world: World) -> None:
        """Also one of which a part is there; its end counts once too."""
        await world.create_run(new_run())
        await world.write_stream(batch("a", "b"))
        assert (await world.write_stream(batch("a", "b"))).count == 2
        assert (await world.write_stream(batch("b", "c", first=1, end=True))).count == 3
        assert (await world.write_stream(batch("b", "c", first=1, end=True))).count == 3
        assert texts(await world.read_stream(RUN, "news")) == ["a", "b", "c"]

    async def test_a_gap_is_refused(self, world: World) -> None:
        """Chunks that follow on others which are not there would be read as if they were."""
        await world.create_run(new_run())
        with pytest.raises(EntityConflictError, match=r"wrote 1 chunks .* has 0 of them"):
            await world.write_stream(batch("b", first=1))
        assert await world.streams(RUN) == []

    async def test_attempts_are_told_apart(self, world: World) -> None:
        """Chunks of an attempt stay when another one follows, and are known for what they are."""
        await world.create_run(new_run())
        await world.write_stream(batch("a", "b"))
        await world.write_stream(batch("x", writer="step_02"))
        await world.write_stream(batch("A", attempt=2))
        page = await world.read_stream(RUN, "news")
        assert [(chunk.data, chunk.attempt, chunk.n, chunk.last) for chunk in page.chunks] == [
            (b"a", 1, 0, False),
            (b"b", 1, 1, False),
            (b"x", 1, 0, True),
            (b"A", 2, 0, True),
        ]

    async def test_an_attempt_that_was_replaced_writes_nothing(self, world: World) -> None:
        """Its worker was presumed dead, and still lives."""
        await world.create_run(new_run())
        await world.write_stream(batch("a"))
        await world.write_stream(batch("A", attempt=2))
        for late in (batch("b", first=1), batch(first=1, end=True)):
            with pytest.raises(LeaseLostError, match=r"attempt 1 of step step_01 .* attempt 2 does"):
                await world.write_stream(late)
        page = await world.read_stream(RUN, "news")
        assert (texts(page), page.is_last) == (["a", "A"], False)

    async def test_a_retry_takes_a_close_back(self, world: World) -> None:
        """Only one of the step that closed it, whose attempt failed behind that."""
        await world.create_run(new_run())
        await world.write_stream(batch("a", end=True))
        with pytest.raises(StreamClosedError):
            await world.write_stream(batch("x", writer="step_02", attempt=2))
        assert (await world.write_stream(batch("A", attempt=2))).end is None
        await world.write_stream(batch("B", first=1, attempt=2, end=True))
        page = await world.read_stream(RUN, "news")
        assert (texts(page), page.is_last) == (["a", "A", "B"], True)

    async def test_a_stream_carries_values_or_bytes(self, world: World) -> None:
        """Its first batch says which; anybody may close it."""
        await world.create_run(new_run())
        await world.write_stream(batch("a", kind="bytes"))
        with pytest.raises(StreamTypeError, match=r"carries bytes, and step_01 writes a value"):
            await world.write_stream(batch("b", first=1))
        assert (await world.write_stream(batch(first=1, end=True))).end is not None

    async def test_streams_of_a_run_are_listed(self, world: World) -> None:
        """By name, those of other runs apart."""
        for run_id in (RUN, OTHER):
            await world.create_run(new_run(run_id))
        one = await world.write_stream(batch("a", name="one"))
        other = await world.write_stream(batch("bb", name="a side", kind="bytes", end=True))
        await world.write_stream(batch("c", run_id=OTHER, name="one"))
        assert await world.streams(RUN) == [other, one]
        assert texts(await world.read_stream(OTHER, "one")) == ["c"]

    async def test_a_stream_outlives_its_runs_end(self, world: World) -> None:
        """A child or a thread may still write; who reads learns that the run has ended."""
        turn = await begin(world)
        await world.write_stream(batch("a"))
        await turn.commit(ending())
        await world.write_stream(batch("b", first=1))
        page = await world.read_stream(RUN, "news")
        assert (texts(page), page.run_ended, page.is_last) == (["a", "b"], True, False)
        assert (await world.read_stream(RUN, "none")).run_ended

    async def test_writing_wakes_no_run(self, world: World) -> None:
        """Streams are no part of the log."""
        turn = await begin(world)
        before = await world.get_run(RUN)
        await world.write_stream(batch("a", end=True))
        assert await world.get_run(RUN) == before
        assert [event.type for event in await world.events(RUN)] == ["run_created", "run_started"]
        assert (await turn.commit(park=True)).stored

    async def test_writing_is_told(self, world: World) -> None:
        """To who reads, and as no work; what changes nothing is not told."""
        await world.create_run(new_run())
        ear = Ear(world)
        await world.write_stream(batch("a"))
        notice = await ear.wait_for(lambda notice: notice.written)
        assert (notice.run_id, notice.work, notice.ended) == (RUN, False, False)
        ear.heard.clear()
        await world.write_stream(batch("a"))
        await world.write_stream(batch(first=1, end=True))
        await ear.wait_for(lambda notice: notice.written)
        assert len(ear.heard) == 1

    async def test_others_writing_is_told(self, world: World, make_world: MakeWorld) -> None:
        """What another world on the same store wrote, where the world can hear of it."""
        if not world.capabilities.listen_ms:
            pytest.skip("this world does not hear of others' changes")
        await world.create_run(new_run())
        async with opened(make_world()) as other:
            ear = Ear(world)
            await other.write_stream(batch("a"))
            await ear.wait_for(lambda notice: notice.written and notice.run_id in {None, RUN})
            assert texts(await world.read_stream(RUN, "news")) == ["a"]

    async def test_many_write_at_once(self, world: World, make_world: MakeWorld) -> None:
        """Nothing is lost, each writer's chunks keep their order, and indexes are dense."""
        await world.create_run(new_run())

        def writes(writer: str) -> Callable[[World], Awaitable[None]]:
            async def write(world: World) -> None:
                for n in range(_MANY):
                    await world.write_stream(batch(f"{writer} {n}", writer=writer, first=n))

            return write

        await at_once(make_world, [writes(f"step_{n}") for n in range(3)])
        page = await world.read_stream(RUN, "news")
        assert [chunk.index for chunk in page.chunks] == list(range(3 * _MANY))
        for writer in ("step_0", "step_1", "step_2"):
            assert [text for text in texts(page) if text.startswith(writer)] == [f"{writer} {n}" for n in range(_MANY)]

    async def test_chunks_and_end_race(self, world: World) -> None:
        """Whichever comes first: nothing stands behind the end."""
        await world.create_run(new_run())
        acts = [world.write_stream(batch(f"{n}", writer=f"step_{n}", end=n == 3)) for n in range(6)]
        answers = await asyncio.gather(*acts, return_exceptions=True)
        page = await world.read_stream(RUN, "news")
        assert page.is_last
        assert len(page.chunks) == sum(isinstance(answer, Stream) for answer in answers)
        assert {type(answer) for answer in answers} <= {Stream, StreamClosedError}
