"""Archives that keep whole runs: each once, by months, before it goes; and what comes out of them goes on as a run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.cli.conftest import Torpor, torpor
from torpor import Capsules, KeepLog, Retention
from torpor.capsules import transfer
from torpor.codec.crypto.keys import Keyring
from torpor.engine.pruning import Bites, Pruner
from torpor.errors import ArchiveError, ConfigurationError, LimitExceededError
from torpor.model import Run, RunFilter
from torpor.retention import Policies, checked_policy
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.deletion import lived
from torpor.testing.worlds.story import RUN, T
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.sqlite import SqliteWorld

__all__ = ["torpor"]

DAY = 86_400_000
MONTH = "2023-11"
"""Of the time at which stories end."""


class Ticking(ManualClock):
    """A clock whose pauses are over at once."""

    async def sleep(self, ms: int) -> None:
        assert ms > 0, "a bite is followed by a pause"


@pytest.fixture
async def world() -> MemoryWorld:
    """A world in which a run with everything that one may have has failed."""
    world = MemoryWorld("memory://", Ticking(T))
    await lived(world)
    return world


def pruner(world: MemoryWorld, archive: Capsules) -> Pruner:
    """Return one that keeps runs for an hour."""

    async def trust(_run: Run) -> bool:
        return True

    return Pruner(world, lambda: "", Policies(checked_policy(Retention(failed="1h", archive=archive))), trust)


def files(folder: Path) -> list[Path]:
    """Return all capsules below a folder."""
    return [*folder.rglob("*.capsule")]


def advance(world: MemoryWorld, days: int) -> None:
    """Let time pass."""
    clock = world.clock
    assert isinstance(clock, ManualClock)
    clock.advance(days * DAY)


async def test_a_run_is_kept_whole_before_it_goes(world: MemoryWorld, tmp_path: Path) -> None:
    """In the month in which it ended; it comes back as it was, and what is left of its name overwrites nothing."""
    before, archive = await world.parcel(RUN), Capsules(tmp_path / "kept")
    rounds = pruner(world, archive)
    advance(world, 1)
    await rounds.round()
    [file] = files(tmp_path)
    assert file.parent.name == MONTH
    assert len(await world.events(RUN)) == 1  # its name
    advance(world, 7)
    await rounds.round()
    assert await world.list_runs(RunFilter()) == []

    capsule = await archive.find(RUN)
    assert capsule == file.read_bytes()
    other = MemoryWorld(clock=ManualClock(T))
    await transfer.put_in(other, capsule, Keyring())
    after = await other.parcel(RUN)
    assert after.run == replace(before.run, epoch=after.run.epoch)
    assert msgspec.structs.astuple(after)[1:] == msgspec.structs.astuple(before)[1:]


async def test_a_run_that_has_begun_to_go_is_kept_as_it_was(tmp_path: Path) -> None:
    """Somebody died behind the archive and in the middle of the run; who goes on archives nothing of the rest."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/runs.db", Ticking(T))
    await world.open()
    await lived(world)
    archive = Capsules(tmp_path / "kept")
    run = await world.get_run(RUN)
    assert await archive.keep(world, [run]) == [run]
    whole = await archive.find(RUN)
    assert not await world.delete_run(RUN, keep_name=False, rows_max=1)
    rest = await world.get_run(RUN)
    assert await Bites(world).delete([rest], lambda _: archive, keep_name=False) == [rest]
    assert await archive.find(RUN) == whole
    await world.close()


async def test_a_name_that_was_used_again_has_two_capsules(world: MemoryWorld, tmp_path: Path) -> None:
    """The newer one is found; names may have dots, and slashes."""
    archive, odd = Capsules(tmp_path), f"{RUN}/a.5"
    for _ in range(2):
        await lived(world, run_id=odd)
        [run] = await archive.keep(world, [await world.get_run(odd)])
        await world.delete_run(odd)
        advance(world, 40)
    await archive.keep(world, [await world.get_run(RUN)])
    found = await archive.find(odd)
    assert found is not None
    assert (await transfer.opened(found, Keyring())).parcel.run.ended_at == run.ended_at
    assert len(files(tmp_path)) == 3
    assert await archive.find("wrun_none") is None


async def test_what_cannot_be_kept_stays(
    world: MemoryWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that is too large for a capsule stays alone, and is told; without room all stay."""
    await lived(world, run_id="wrun_01B")
    take_out = transfer.take_out

    async def small(world: MemoryWorld, run_id: str, keyring: Keyring) -> bytes:
        if run_id == RUN:
            raise LimitExceededError("it has 600 MiB")
        return await take_out(world, run_id, keyring)

    advance(world, 8)
    with monkeypatch.context() as patch:
        patch.setattr(transfer, "take_out", small)
        await pruner(world, Capsules(tmp_path / "kept")).round()
    assert [run.id for run in await world.list_runs(RunFilter())] == [RUN]
    assert f"run {RUN} stays, since it is not archived: it has 600 MiB" in caplog.text

    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match=r"could not be archived, and stays: .*file"):
        await pruner(world, Capsules(tmp_path / "file")).round()
    assert [run.id for run in await world.list_runs(RunFilter())] == [RUN]


def test_places_that_are_none_are_refused(tmp_path: Path) -> None:
    """When they are named, not when the first run goes."""
    with pytest.raises(ConfigurationError, match="s3:// is no archive; name a folder, or postgres://"):
        Capsules("s3://bucket")
    with pytest.raises(ConfigurationError, match="Capsules keeps whole runs, and these go on"):
        checked_policy(None, KeepLog(100, archive=Capsules(tmp_path)))  # type: ignore[arg-type]  # the point of it


async def _filled(url: str) -> None:
    world = SqliteWorld(url)
    await world.open()
    await lived(world)
    await world.close()


def test_commands_archive_and_find(torpor: Torpor, tmp_path: Path) -> None:
    """``prune --capsules``, ``export --from``, and back with ``import``, as encrypted as the run was."""
    url = f"sqlite:///{tmp_path}/runs.db"
    asyncio.run(_filled(url))
    kept, file = str(tmp_path / "kept"), str(tmp_path / "back.capsule")
    assert "1 runs were deleted" in torpor.ok("prune", "--older-than", "0s", "--capsules", kept, "--world", url)
    told = json.loads(torpor.ok("export", RUN, "--from", kept, "-o", file, "--json"))
    assert (told["id"], told["status"]) == (RUN, "failed")
    torpor.ok("import", file, "--world", f"sqlite:///{tmp_path}/back.db")
    assert "order" in torpor.ok("inspect", file)
    assert "by its whole id" in torpor("export", "wrun_none", "--from", kept).stderr
    both = torpor("prune", "--older-than", "0s", "--capsules", kept, "--archive", kept, "--world", url)
    assert "give one of them" in both.stderr
