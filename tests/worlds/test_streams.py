"""The rule of streams: whatever writers do, a reader sees what a simple model says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from torpor.errors import ConflictError, DamagedError, StreamTypeError
from torpor.model import Chunk, Stream, StreamBatch, StreamWriter
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import batch, random_batch
from torpor.testing.worlds.story import RUN, T, new_run
from torpor.testing.worlds.suite import opened
from torpor.world import World
from torpor.worlds import open_world, streams

BATCHES = 400


class Model:
    """A stream as a list, where every attempt of a writer is a list of its own."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, int, int, bytes]] = []
        self.closed: tuple[str, int] | None = None
        self.kind: str | None = None
        self.newest: dict[str, int] = {}
        self.written: dict[tuple[str, int], int] = {}

    def write(self, given: StreamBatch) -> bool:
        """Take a batch, and return whether it is taken."""
        who = given.writer, given.attempt
        if given.attempt < self.newest.get(given.writer, 0):
            return False
        sent = self.written.get(who, 0)
        if given.first > sent:
            return False
        fresh = given.chunks[sent - given.first :]
        closed = self.closed
        if closed is not None and closed[0] == given.writer and closed[1] < given.attempt:
            closed = None
        if not fresh and self.kind is not None and (given.end is None or closed is not None):
            return True
        if closed is not None or (fresh and self.kind not in (None, given.type)):
            return False
        self.kind = given.type if self.kind is None else self.kind
        self.chunks += [(*who, sent + n, chunk.data) for n, chunk in enumerate(fresh)]
        self.written[who] = sent + len(fresh)
        self.newest[given.writer] = given.attempt
        self.closed = None if given.end is None else who
        return True


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/torpor.db"])
async def test_random_writers_and_readers_agree_with_a_model(tmp_path: Path, url: str, seed: int) -> None:
    """Readers who come at any time, and read pages of any size, put the same stream together."""
    random = Random(seed)
    models: dict[str, Model] = {}
    readers: dict[str, list[Chunk]] = {}
    async with opened(open_world(url.format(tmp_path), ManualClock(T))) as world:
        await world.create_run(new_run())
        for _ in range(BATCHES):
            given = random_batch(random, [RUN])
            model = models.setdefault(given.name, Model())
            try:
                await world.write_stream(given)
                taken = True
            except (ConflictError, StreamTypeError):
                taken = False
            assert taken == model.write(given), given
            if random.random() < 0.3:
                await _read_on(world, given.name, readers.setdefault(given.name, []), random)
        for name, model in models.items():
            await _read_on(world, name, seen := readers.get(name, []), random, to_end=True)
            assert [(chunk.writer, chunk.attempt, chunk.n, chunk.data) for chunk in seen] == model.chunks
            page = await world.read_stream(RUN, name)
            assert [chunk.last for chunk in page.chunks] == [
                attempt == model.newest[writer] for writer, attempt, _, _ in model.chunks
            ]
            assert page.is_last == (model.closed is not None)
        assert [stream.name for stream in await world.streams(RUN)] == sorted(models)


async def _read_on(world: World, name: str, seen: list[Chunk], random: Random, *, to_end: bool = False) -> None:
    """Read further where a reader stands: one page, or all that there is."""
    while True:
        limit, bytes_max = random.choice((None, 1, 3)), random.choice((None, 1, 4))
        page = await world.read_stream(RUN, name, start=len(seen), limit=limit, bytes_max=bytes_max)
        assert [chunk.index for chunk in page.chunks] == list(range(len(seen), len(seen) + len(page.chunks)))
        seen += page.chunks
        if not to_end or not page.chunks:
            break


def test_the_rule_changes_nothing_that_is_stored() -> None:
    """What it returns is made anew, and says from what it came."""
    before = Stream(RUN, "news", "", 1, 1, T, T)
    changes = streams.write(before, StreamWriter("step_01", 1, 1), batch("b", first=1), T + 1)
    assert changes is not None
    assert changes.before is before
    assert changes.stream == Stream(RUN, "news", "", 2, 2, T, T + 1)
    assert changes.writer == StreamWriter("step_01", 1, 2)
    assert changes.chunks == (Chunk(1, b"b", b"tag of b", "step_01", 1, 1, T + 1),)


async def test_streams_go_with_their_run(tmp_path: Path) -> None:
    """Whoever deletes a run's row deletes them too, and nobody else's."""
    file = tmp_path / "torpor.db"
    async with opened(open_world(f"sqlite:///{file}")) as world:
        for run_id in (RUN, "wrun_other"):
            await world.create_run(new_run(run_id))
            await world.write_stream(batch("a", "b", run_id=run_id, end=True))
    with closing(sqlite3.connect(file)) as db:
        db.execute("DELETE FROM runs WHERE id = ?", (RUN,))
        db.commit()
        left = db.execute(
            "SELECT (SELECT count(*) FROM streams), (SELECT count(*) FROM writers), (SELECT count(*) FROM chunks)"
        ).fetchone()
    assert left == (1, 1, 2)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM chunks WHERE k & 3 = 1", "2 of 3 chunks|chunks between 0 and 3 are not there"),
        ("DELETE FROM writers", "its writer is not there"),
        ("UPDATE writers SET attempt = 0", "of attempt 1, and the newest one is 0"),
        ("UPDATE streams SET type = 'sound'", "its type is 'sound'"),
        ("UPDATE streams SET count = -1", "its count is -1"),
        ("UPDATE streams SET count = 4000000000", "3 of 4000000000 chunks|between 0 and 4000000000 are not there"),
        ("UPDATE chunks SET n = -1", "its n is -1"),
        ("UPDATE streams SET end_writer = 'nonsense'", "it is closed by 'nonsense' at 0"),
        ("UPDATE streams SET end_writer = ''", "it is closed by '' at 0"),
        ("UPDATE streams SET end_n = 3", "it is closed by None at 0"),
    ],
)
async def test_damage_is_told(tmp_path: Path, damage: str, problem: str) -> None:
    """By who reads the stream, and by who looks through the file."""
    file = tmp_path / "torpor.db"
    async with opened(open_world(f"sqlite:///{file}")) as world:
        await world.create_run(new_run())
        await world.write_stream(batch("a", "b", "c"))
        assert await world.damaged() == []
        with closing(sqlite3.connect(file)) as db:
            db.execute(damage)
            db.commit()
        with pytest.raises(DamagedError, match=problem):
            await world.read_stream(RUN, "news")
        found = await world.damaged()
        assert [error.run_id for error in found] == [RUN]
