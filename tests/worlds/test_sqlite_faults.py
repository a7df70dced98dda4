"""Full disks and damaged pages: what is not stored, what is said, and that everything else goes on."""

from __future__ import annotations

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from torpor.errors import WorldError
from torpor.model import Event, RunFilter
from torpor.testing.worlds.story import OTHER, RUN, Turn, begin, new_run, snapshot, step, types
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.store import Store

PAGE_BYTES = 4096


async def _open(path: Path) -> SqliteWorld:
    world = SqliteWorld(f"sqlite:///{path}")
    await world.open()
    return world


def _with_payload(n: int, payload: bytes) -> Event:
    return replace(step("step_created", n), payload=payload)


async def _bound_pages(world: SqliteWorld, more: int) -> None:
    """Let the file grow by no more than *more* pages."""

    def operation(store: Store) -> tuple[None, None]:
        (pages,) = store.db.execute("PRAGMA page_count").fetchone()
        store.db.execute(f"PRAGMA max_page_count = {pages + more}")
        return None, None

    await world._writer.submit(operation, "a test")


async def test_a_full_file_fails_only_what_does_not_fit(tmp_path: Path) -> None:
    """Of operations that came together the large one fails, the small ones are stored; with room all goes on."""
    world = await _open(tmp_path / "torpor.db")
    await _bound_pages(world, 20)
    one, large, other = await asyncio.gather(
        world.create_run(new_run(RUN)),
        world.put_blob("large", bytes(1 << 20)),
        world.create_run(new_run(OTHER)),
        return_exceptions=True,
    )
    assert isinstance(large, WorldError)
    assert "storing of blob large failed" in str(large)
    assert "make room and try again" in str(large)
    assert not isinstance(one, BaseException)
    assert not isinstance(other, BaseException)
    assert await world.blob("large") is None

    await _bound_pages(world, 1000)
    await world.put_blob("large", bytes(1 << 20))
    assert await world.blob("large") == bytes(1 << 20)
    await world.close()


async def test_a_full_file_stores_no_half_of_a_commit(tmp_path: Path) -> None:
    """Log, rows and snapshot stay as they were, and the same commit is stored when there is room."""
    world = await _open(tmp_path / "torpor.db")
    turn = await begin(world, RUN, step("step_created", 1, attempt=1))
    before = await world.load(RUN)
    await _bound_pages(world, 2)

    async def commit() -> bool:
        committed = await turn.commit(
            step("step_created", 2), inputs=[step("step_completed", 1)], snapshot=snapshot(bytes(100_000))
        )
        return committed.stored

    with pytest.raises(WorldError, match="commit of run wrun_01A failed"):
        await commit()
    assert await world.load(RUN) == before
    await _bound_pages(world, 1000)
    assert await commit()
    assert (await types(world))[3:] == ["step_completed", "step_created"]
    await world.close()


@contextmanager
def _files_bounded(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond *size* bytes, as a disk that refuses to write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_refuses_the_commit_fails_the_whole_group(tmp_path: Path) -> None:
    """Nobody is told of success, nothing is stored, and afterwards the world works again."""
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(new_run("wrun_before"))
    log_bytes = (tmp_path / "torpor.db-wal").stat().st_size
    with _files_bounded(log_bytes + PAGE_BYTES // 2):
        results = await asyncio.gather(
            *(world.create_run(new_run(f"wrun_{n}")) for n in range(5)), return_exceptions=True
        )
    assert [type(result) for result in results] == [WorldError] * 5
    assert "nothing of it was stored" in str(results[0])
    assert [run.id for run in await world.list_runs(RunFilter())] == ["wrun_before"]
    await world.create_run(new_run("wrun_after"))
    await world.close()
    world = await _open(tmp_path / "torpor.db")
    assert [run.id for run in await world.list_runs(RunFilter())] == ["wrun_after", "wrun_before"]
    await world.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system of one megabyte."""
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting a file system needs a right that this process does not have")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_full_disk_leaves_whole_commits(small_disk: Path) -> None:
    """Runs go on until the disk is full; what was acknowledged is there, and with room again they go on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    world = await _open(small_disk / "torpor.db")
    turns = [await begin(world, f"wrun_{n}") for n in range(3)]
    heads = {turn.task.run_id: turn.head for turn in turns}

    async def work(turn: Turn) -> None:
        for n in range(1, 2000):
            await turn.commit(step("step_created", n), snapshot=snapshot(bytes(3000)))
            heads[turn.task.run_id] = turn.head

    results = await asyncio.gather(*(work(turn) for turn in turns), return_exceptions=True)
    assert {type(result) for result in results} == {WorldError}
    await world.close()

    ballast.unlink()
    world = await _open(small_disk / "torpor.db")
    for turn in turns:
        run_id = turn.task.run_id
        log = await world.events(run_id)
        assert len(log) == heads[run_id] == (await world.get_run(run_id)).head
        assert len((await world.open_entities(run_id)).steps) == len(log) - 2
        later = Turn(world, turn.task, turn.head)
        assert (await later.commit(step("step_created", 5000))).stored
    await world.close()


def _damage(path: Path, mark: bytes) -> None:
    """Overwrite the page that holds *mark*."""
    data = bytearray(path.read_bytes())
    page = data.index(mark) // PAGE_BYTES * PAGE_BYTES
    data[page : page + PAGE_BYTES] = b"\xff" * PAGE_BYTES
    path.write_bytes(data)


async def test_a_damaged_page_is_one_runs_trouble(tmp_path: Path) -> None:
    """Whatever is asked of that run names it and says what to do; other runs go on."""
    path = tmp_path / "torpor.db"
    world = await _open(path)
    fill = b"-" * 1500
    for run_id in (RUN, OTHER):
        turn = await begin(world, run_id)
        for n in range(1, 30):
            payload = b"%s step %d %s" % (run_id.encode(), n, fill)
            await turn.commit(_with_payload(n, payload))
        await turn.commit(park=True)
    await world.close()
    _damage(path, b"wrun_01A step 20 ")

    world = await _open(path)
    for asked in (world.load(RUN), world.events(RUN)):
        with pytest.raises(WorldError, match=r"run wrun_01A failed .* damaged there; other runs go on\. Stop the"):
            await asked
    assert len(await world.events(OTHER)) == 31
    assert len((await world.load(OTHER)).held.steps) == 29
    assert len(await world.list_runs(RunFilter())) == 2
    await world.create_run(new_run("wrun_new"))
    await world.close()


async def test_a_write_to_a_damaged_page_fails_alone(tmp_path: Path) -> None:
    """The damaged run's commit fails with its name, the others of its group are stored."""
    path = tmp_path / "torpor.db"
    world = await _open(path)
    turns = []
    for run_id in (RUN, "wrun_between", OTHER):  # logs that follow one another share a page
        turns.append(turn := await begin(world, run_id))
        for n in range(1, 30):
            await turn.commit(_with_payload(n, b"%s step %d %s" % (run_id.encode(), n, b"-" * 1500)))
    await world.close()
    _damage(path, b"wrun_01A step 29 ")

    world = await _open(path)
    commits = []
    for turn in (turns[0], turns[2]):
        later = Turn(world, turn.task, turn.head)
        commits.append(later.commit(step("step_created", 30)))
    failed, stored = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(failed, WorldError)
    assert "commit of run wrun_01A failed" in str(failed)
    assert not isinstance(stored, BaseException)
    assert stored.head == 32
    await world.close()


async def test_a_resumed_run_does_not_read_its_past(tmp_path: Path) -> None:
    """A run with a snapshot is loaded although a page of its past is unreadable: only the log after it is read."""
    path = tmp_path / "torpor.db"
    world = await _open(path)
    turn = await begin(world)
    for n in range(1, 200):
        payload = b"past %d %s" % (n, b"-" * 500)
        await turn.commit(_with_payload(n, payload), step("step_started", n))
        await turn.commit(inputs=[step("step_completed", n)])
    await turn.commit(_with_payload(500, b"open"), snapshot=snapshot())
    await turn.commit(step("step_created", 501), park=True)
    await world.close()
    _damage(path, b"past 100 ")

    world = await _open(path)
    state = await world.load(RUN)
    assert [event.id for event in state.events] == ["step_501"]
    assert [row.id for row in state.held.steps.values()] == ["step_500", "step_501"]
    await world.close()
