"""Lists of a world in Postgres: they are the same whichever way they are found."""

from __future__ import annotations

import pytest

from tests.worlds.empty_postgres import server, world
from torpor.model import RunFilter
from torpor.testing.worlds.story import T, begin, ending
from torpor.worlds.postgres import PostgresWorld, queries

__all__ = ["server", "world"]


async def test_runs_that_ended_at_some_time_are_found_both_ways(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few along the index of ends, many along all runs: the same ones."""
    for number in range(6):
        turn = await begin(world, f"wrun_{number}")
        await turn.commit(ending("run_failed" if number % 2 else "run_completed", at=T + number))
    wanted = [
        RunFilter(ended_since=T + 2, limit=3),
        RunFilter(ended_since=T + 1, ended_before=T + 5, status="failed", workflow="order"),
        RunFilter(ended_since=1, before="wrun_3"),
    ]
    few = [[run.id for run in await world.list_runs(where)] for where in wanted]
    assert few[0] == ["wrun_5", "wrun_4", "wrun_3"]
    monkeypatch.setattr(queries, "_MANY", 1)
    assert [[run.id for run in await world.list_runs(where)] for where in wanted] == few
