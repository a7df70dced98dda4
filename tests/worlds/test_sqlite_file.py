"""The database's file: its owner's alone, noticed when it goes, and let go of whatever the machine lacks."""

from __future__ import annotations

import resource
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.worlds.descriptors import without_descriptors
from torpor.errors import WorldError
from torpor.model import NewRun, WorkerRow
from torpor.worlds.sqlite import SqliteWorld, file


@pytest.fixture(autouse=True)
def _never_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each operation look at the file, also one that follows another at once."""
    monkeypatch.setattr(file, "_SURE_SECONDS", 0)


def _new_run(run_id: str) -> NewRun:
    return NewRun(run_id, "order", "5f" * 32, "quickjs", "snapshot", bytes(32), b"devl[[]]")


async def _open(path: Path) -> SqliteWorld:
    world = SqliteWorld(f"sqlite:///{path}")
    await world.open()
    return world


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Nobody else may read or write what runs store, nor the files that SQLite keeps beside it."""
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(_new_run("wrun_1"))
    assert _modes(tmp_path) == {
        "torpor.db": 0o600,
        "torpor.db-shm": 0o600,
        "torpor.db-wal": 0o600,
    }
    await world.close()


async def test_the_mode_of_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Who shares a file with a group goes on doing so."""
    path = tmp_path / "torpor.db"
    path.touch()
    path.chmod(0o660)
    world = await _open(path)
    assert set(_modes(tmp_path).values()) == {0o660}
    await world.close()


async def test_a_deleted_file_is_noticed(tmp_path: Path) -> None:
    """Nothing is stored in a file that nobody can open again; the error names the file and the way out."""
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(_new_run("wrun_1"))
    for name in _modes(tmp_path):
        (tmp_path / name).unlink()
    with pytest.raises(WorldError, match=r"creation of run wrun_2 failed .*torpor\.db is not there any more since"):
        await world.create_run(_new_run("wrun_2"))
    with pytest.raises(WorldError, match="Stop every process that uses it"):
        await world.heartbeat("wrkr_1")
    await world.close()
    assert _modes(tmp_path) == {}


async def test_of_operations_that_follow_at_once_one_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look counts for a while."""
    monkeypatch.setattr(file, "_SURE_SECONDS", 1000)
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(_new_run("wrun_1"))
    (tmp_path / "torpor.db").rename(tmp_path / "elsewhere.db")
    await world.create_run(_new_run("wrun_2"))
    (tmp_path / "elsewhere.db").rename(tmp_path / "torpor.db")
    await world.close()


async def test_a_replaced_file_is_noticed(tmp_path: Path) -> None:
    """As when a backup is put in its place under a running worker."""
    path = tmp_path / "torpor.db"
    world = await _open(path)
    await world.create_run(_new_run("wrun_1"))
    await (await _open(tmp_path / "backup.db")).close()
    (tmp_path / "backup.db").rename(path)
    with pytest.raises(WorldError, match=r"torpor\.db was replaced by another since it was opened"):
        await world.register(WorkerRow("wrkr_1", "machine", 1, 1, 15_000))
    await world.close()


async def test_a_file_that_comes_back_is_used_again(tmp_path: Path) -> None:
    """Who moves it away for a moment loses nothing but that moment."""
    path = tmp_path / "torpor.db"
    world = await _open(path)
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(WorldError):
        await world.create_run(_new_run("wrun_1"))
    (tmp_path / "elsewhere.db").rename(path)
    await world.create_run(_new_run("wrun_1"))
    assert (await world.get_run("wrun_1")).status == "pending"
    await world.close()


async def test_too_few_descriptors_are_told(tmp_path: Path) -> None:
    """SQLite says only that the file cannot be opened; the error says why, and a later attempt succeeds."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    with without_descriptors(), pytest.raises(WorldError, match=r"no file descriptors left; .*ulimit -n"):
        await world.open()
    await world.open()
    await world.create_run(_new_run("wrun_1"))
    await world.close()


async def test_a_disk_that_refuses_at_the_end_loses_nothing(tmp_path: Path) -> None:
    """The log beside the file is moved into it at the closing; when that fails, the next opening does it."""
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(_new_run("wrun_1"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        await world.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    world = await _open(tmp_path / "torpor.db")
    assert (await world.get_run("wrun_1")).status == "pending"
    await world.close()


async def test_a_connection_that_does_not_close_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever SQLite says to the closing, all that was told of is stored."""

    class Stubborn(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            raise sqlite3.OperationalError("disk I/O error")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Stubborn, **options))
    world = await _open(tmp_path / "torpor.db")
    await world.create_run(_new_run("wrun_1"))
    await world.close()
