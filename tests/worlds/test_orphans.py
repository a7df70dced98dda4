"""Rows that have outlived what they are about are found, on each world that has rows."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.postgres_server import empty, execute, server_url
from torpor.model import Event, NewChunk, NewTask, StreamBatch
from torpor.testing.worlds.story import RUN, T, Turn, hook, new_run, snapshot, step, take, wait, worker_row
from torpor.world import World
from torpor.worlds import open_world
from torpor.worlds.sqlite.codes import RUN_CODE

Change = Callable[[str], object]
"""Changes what is stored behind the world's back; ``@`` stands before names of tables, ``$`` for a completed run."""


@pytest.fixture(params=["sqlite", "postgres"])
async def there(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Change]]:
    """Yield an open world with a run in which all is open, and how to change its rows."""
    if request.param == "sqlite":
        path = tmp_path / "torpor.db"
        url = f"sqlite:///{path}"

        def change(statement: str) -> None:
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("PRAGMA foreign_keys = OFF")
                db.execute(statement.replace("@", "").replace("$", str(RUN_CODE["completed"])))
    else:
        url = server_url()
        empty(url)

        def change(statement: str) -> None:
            execute(url, statement.replace("@", "torpor.").replace("$", "'completed'"))

    world = open_world(url)
    await world.open()
    await _open_all(world)
    yield world, change
    await world.close()


async def _open_all(world: World) -> None:
    await world.register(worker_row())
    await world.create_run(new_run())
    [task] = await take(world)
    opened = (step("step_created", 1), wait("wait_created", 2, due=10**14), hook("hook_created", 3))
    turn = Turn(world, task, 1)
    await turn.commit(Event("run_started", T), *opened, tasks=[NewTask("step_01")], snapshot=snapshot(), park=True)
    chunks = (NewChunk(b"data", b""),)
    await world.write_stream(StreamBatch(run_id=RUN, name="told", writer="writer", first=0, chunks=chunks))


async def _found(world: World) -> dict[str, set[str]]:
    """Return what is wrong with the rows of each table."""
    found: dict[str, set[str]] = {}
    for error in await world.damaged():
        where, _, table = error.row.partition("table ")
        if table and where:
            found.setdefault(table, set()).add(error.problem)
    return found


async def test_a_world_at_work_has_none(there: tuple[World, Change]) -> None:
    """What is open in a run that is under way belongs to it."""
    world, _ = there
    assert await world.damaged() == []


async def test_nothing_is_open_in_a_run_that_has_completed(there: tuple[World, Change]) -> None:
    """A step, a timer, a hook and a snapshot of it are left behind; the step would be worked on, the hook resumed."""
    world, change = there
    change("UPDATE @runs SET status = $, ended_at = 5")
    found = await _found(world)
    for table in ("steps", "waits", "hooks", "snapshots"):
        assert "the run has completed, and nothing of it is open" in found[table]
    assert "they would be worked on, and the run has ended" in found["steps"]
    assert "they are live, and the run has ended" in found["hooks"]


async def test_rows_need_their_stream(there: tuple[World, Change]) -> None:
    """Chunks are found whose stream is another one now, and whose own is not there."""
    world, change = there
    key = "k = 99" if world.url.startswith("sqlite") else "name = 'other'"
    change(f"UPDATE @streams SET {key}")  # noqa: S608  # one of two
    found = await _found(world)
    assert "there is no stream" in " ".join(found["chunks"])


async def test_rows_need_their_run(there: tuple[World, Change]) -> None:
    """Whatever belongs to a run that is not there is found."""
    world, change = there
    change("DELETE FROM @runs")
    found = await _found(world)
    assert all("there is no" in " ".join(found[table]) for table in ("steps", "waits", "hooks", "snapshots"))
