"""Lists of runs by when they ended, which tables find in one of two ways."""

from __future__ import annotations

from types import ModuleType

import pytest

from torpor.model import RunFilter
from torpor.testing.worlds.story import T, begin, ending
from torpor.world import World


async def found_both_ways(world: World, queries: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold that few runs along the index of ends, and many along all runs, are the same ones."""
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
