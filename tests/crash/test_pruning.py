"""A process that is killed while it deletes runs: what it left is sound, and the next one goes on."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from torpor.model import EndedFilter
from torpor.testing.worlds.deletion import lived
from torpor.worlds.sqlite import SqliteWorld

DELETE = """
import asyncio, sys
from torpor.model import EndedFilter
from torpor.worlds.sqlite import SqliteWorld

async def main():
    world = SqliteWorld(sys.argv[1])
    await world.open()
    while runs := await world.ended_runs(EndedFilter(1 << 60)):
        while not await world.delete_run(runs[0].id, rows_max=1):
            print("bite", flush=True)
        print("run", flush=True)

asyncio.run(main())
"""
RUNS = 20


def delete_and_die(url: str, bites: int) -> None:
    """Let a process delete runs, and kill it after so many bites."""
    with subprocess.Popen([sys.executable, "-c", DELETE, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(bites):
            assert process.stdout.readline()
        process.kill()


@pytest.mark.parametrize("bites", [1, 7, 30, 77])
async def test_a_kill_between_or_within_bites_harms_nothing(tmp_path: Path, bites: int) -> None:
    """The file is as after some whole bites, wherever the kill came, and ends up empty."""
    url = f"sqlite:///{tmp_path}/t.db"
    world = SqliteWorld(url)
    await world.open()
    for n in range(RUNS):
        await lived(world, "run_failed", f"wrun_{n}")
    await world.close()
    delete_and_die(url, bites)
    await world.open()
    assert await world.damaged() == []
    left = await world.ended_runs(EndedFilter(1 << 60))
    assert len(left) > RUNS - bites
    for run in left:
        assert [event.seq for event in await world.events(run.id)] == list(range(run.base + 1, run.head + 1))
        while not await world.delete_run(run.id, rows_max=2):
            pass
    await world.close()
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM events)").fetchone() == (0,)
