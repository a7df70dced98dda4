"""That deleting leaves nothing of a run in a file, and searches nothing to get there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.damage.rows import KEYS
from torpor.model.tenants import Tenant
from torpor.testing.worlds.deletion import lived
from torpor.worlds.sqlite import SqliteWorld, pruning

RUN = "@acme:lived"
"""A run of a tenant, since these have rows of their own beside those of all runs."""

SHARED = {"labels", "workflows", "routes", "kinds", "workers", "deployments", "blobs", "schedules", "lanes", "queues"}
SHARED |= {"tenants"}
"""Tables whose rows belong to no run: they are the world's own."""


async def _lived(path: Path) -> SqliteWorld:
    world = SqliteWorld(f"sqlite:///{path}")
    await world.open()
    await world.put_tenant(Tenant("acme", ""))
    await lived(world, run_id=RUN)
    return world


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # names of tables
            for table in tables
        }


async def test_nothing_of_a_deleted_run_is_left(tmp_path: Path) -> None:
    """
    Of every table but the world's own. Who adds a table lets a run that lived have a row in it, in the suite of
    deletion; a table that does not belong to runs has its place in this test's list.
    """
    world = await _lived(tmp_path / "t.db")
    before = _rows(tmp_path / "t.db")
    assert before.keys() == KEYS.keys()
    assert {table for table, rows in before.items() if not rows} <= SHARED, "the run has lived without these"
    assert await world.delete_run(RUN)
    await world.close()
    assert {table for table, rows in _rows(tmp_path / "t.db").items() if rows} <= SHARED


async def test_no_table_of_runs_is_searched_from_end_to_end(tmp_path: Path) -> None:
    """Each finds the rows of a run by an index: a world with a million runs deletes one as fast."""
    world = await _lived(tmp_path / "t.db")
    await world.close()
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        tables = pruning.tables_of_runs(db)
        assert {"steps", "hooks", "streams", "attributes"} <= set(tables)
        for table in tables:
            plan = db.execute(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE run = 1").fetchall()  # noqa: S608  # as above
            assert plan[0][3].startswith("SEARCH"), (table, plan)


@pytest.mark.parametrize("rows_max", [1, 3, 1000])
async def test_what_is_left_between_two_bites_is_sound(tmp_path: Path, rows_max: int) -> None:
    """Nothing belongs to nobody, and nothing is missing that something refers to."""
    world = await _lived(tmp_path / "t.db")
    while not await world.delete_run(RUN, rows_max=rows_max):
        assert await world.damaged() == []
    assert await world.damaged() == []
    await world.close()
