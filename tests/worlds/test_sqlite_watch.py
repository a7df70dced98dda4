"""How a process hears of others' commits: soon, and without asking again and again."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.model import Commit, Notice
from torpor.testing.worlds.story import OTHER, RUN, WORKER, begin, new_run, step
from torpor.worlds.sqlite import SqliteWorld, writer
from torpor.worlds.sqlite import watch as watching_files
from torpor.worlds.sqlite.watch import Watch, watch

PATIENCE_SECONDS = 60
needs_inotify = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of writings")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """Yield an open world on a new file."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    yield world
    await world.close()


async def _hear_anothers_commit(world: SqliteWorld) -> None:
    """Return when the world tells that somebody has committed."""
    news = asyncio.Event()
    unsubscribe = world.subscribe(lambda notice: news.set() if notice.run_id is None else None)
    other = SqliteWorld(world.url)
    await other.open()
    await other.create_run(new_run(OTHER))
    await asyncio.wait_for(news.wait(), PATIENCE_SECONDS)
    await other.close()
    unsubscribe()


@needs_inotify
async def test_a_quiet_file_is_hardly_looked_at(world: SqliteWorld) -> None:
    """Who waits for news of a file that nobody writes looks once a second, and at once after a writing."""
    world._writer._stirred_at = -math.inf
    assert world._writer._pause_ms() == writer.QUIET_MS
    world._writer.listen()
    assert world._writer._pause_ms() < writer.LISTEN_MS


async def test_without_a_watch_the_writer_looks_often(world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody tells of writings, others' commits are heard of all the same."""
    monkeypatch.setattr(writer, "watch", lambda *_: None)
    deaf = SqliteWorld(world.url)
    await deaf.open()
    deaf._writer._stirred_at = -math.inf
    assert deaf._writer._pause_ms() == writer.LISTEN_MS
    await _hear_anothers_commit(deaf)
    await deaf.close()


@needs_inotify
async def test_a_writing_ends_the_quiet(world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the writer meant to be quiet, another's commit is heard of."""
    monkeypatch.setattr(writer, "QUIET_MS", 1000 * PATIENCE_SECONDS)
    await _hear_anothers_commit(world)


@needs_inotify
async def test_own_commits_are_not_looked_for(world: SqliteWorld) -> None:
    """A worker's heartbeat does not keep its own process looking; it looks some milliseconds later, and once more."""
    world._writer.listen()
    await world.create_run(new_run())
    assert 8 * writer.SOON_MS < world._writer._pause_ms() <= writer.QUIET_MS


@needs_inotify
async def test_a_commit_at_once_has_the_writer_look_soon(world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another wrote at the same moment may have been forgotten with it, so a writer that is asleep is woken."""
    turn = await begin(world)
    assert turn.held is not None
    monkeypatch.setattr(writer, "QUIET_MS", 1000 * PATIENCE_SECONDS)
    its, looked = world._writer, threading.Event()
    world.subscribe(lambda _: None)
    while not time.monotonic() + PATIENCE_SECONDS / 2 < its._wakes_at < math.inf:  # noqa: ASYNC110  # nothing tells it
        await asyncio.sleep(0)
    monkeypatch.setattr(its, "_look", lambda _store: looked.set())
    commit = Commit(RUN, WORKER, turn.task.epoch, turn.head, outputs=(step("step_created", 1),))
    assert await asyncio.to_thread(world.commit_at_once, commit, turn.held) is not None
    assert await asyncio.to_thread(looked.wait, PATIENCE_SECONDS / 4)


async def test_own_commits_are_no_news(world: SqliteWorld) -> None:
    """A process tells its own listeners what it did, and not once more that somebody did something."""
    heard: list[Notice] = []
    world.subscribe(heard.append)
    await world.create_run(new_run())
    await _hear_anothers_commit(world)
    assert [notice.run_id for notice in heard[:2]] == [RUN, None]


class Told(threading.Semaphore):
    """Counts what it is told, and wants to hear of no more for some seconds."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__(0)
        self._pause = pause

    def tell(self) -> float:
        """Be told of a writing."""
        self.release()
        return self._pause


@needs_inotify
@pytest.mark.parametrize(("rest", "pause"), [(PATIENCE_SECONDS, 0.0), (0, PATIENCE_SECONDS)])
def test_writings_that_follow_one_another_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: float, pause: float
) -> None:
    """A burst is told at its beginning, however the pause came about; the end of a watch ends its thread."""
    monkeypatch.setattr(watching_files, "REST_MS", 1000 * rest)
    told = Told(pause)
    path = tmp_path / "file"
    path.touch()
    before = set(threading.enumerate())
    watching = watch(path, told.tell)
    assert isinstance(watching, Watch)
    [thread] = set(threading.enumerate()) - before
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x")
    assert told.acquire(timeout=PATIENCE_SECONDS)
    watching.close()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert not told.acquire(blocking=False)


@needs_inotify
def test_a_writing_that_is_forgotten_is_not_told(tmp_path: Path) -> None:
    """The one who has written knows of it; the next one is told."""
    told = Told()
    path = tmp_path / "file"
    path.touch()
    watching = watch(path, told.tell)
    assert watching is not None
    watching.forget()  # nothing was written: there is nothing to forget
    with path.open("wb", buffering=0) as file:
        file.write(b"x")
        assert told.acquire(timeout=PATIENCE_SECONDS)
        file.write(b"x")
        watching.forget()
        file.write(b"x")
        assert told.acquire(timeout=PATIENCE_SECONDS)
    watching.close()


def test_what_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    """Then there is no watch, and one has to look."""
    assert watch(tmp_path / "missing", lambda: 0.0) is None
