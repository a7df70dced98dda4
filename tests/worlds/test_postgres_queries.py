"""Lists of a world in Postgres: they are the same whichever way they are found."""

from __future__ import annotations

import pytest

from tests.worlds.empty_postgres import server, world
from tests.worlds.ends import found_both_ways
from torpor.worlds.postgres import PostgresWorld, queries

__all__ = ["server", "world"]


async def test_runs_that_ended_at_some_time_are_found_both_ways(
    world: PostgresWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few along the index of ends, many along all runs: the same ones."""
    await found_both_ways(world, queries, monkeypatch)
