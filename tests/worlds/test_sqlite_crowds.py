"""What a commit costs does not depend on how much else is open in its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from torpor.model import NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import T, begin, outcome, step, take, watching
from torpor.testing.worlds.suite import opened
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.store import Store

ENDING = 3
"""How many steps end while the turn is at work."""


async def rows_read(path: Path, many: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many rows commits read that steps have overtaken, of a run with many open steps and hooks."""
    counts = [0]
    read = Store.rows

    def counted(store: Store, query: str, *values: object) -> list[tuple[object, ...]]:
        found = read(store, query, *values)
        counts[0] += len(found)
        return found

    async with opened(SqliteWorld(f"sqlite:///{path}/{many}.db?synchronous=normal", ManualClock(T))) as world:
        turn = await begin(world)
        await turn.commit(
            *[step("step_created", n) for n in range(1, many)],
            *[watching(n, "wrun_none") for n in range(1000, 1000 + many)],
            tasks=[NewTask(f"step_{n:02}") for n in range(1, many)],
        )
        for task in await take(world, turns_max=0, steps_max=ENDING):
            await world.finish_step(outcome(task, "step_completed"))
            with monkeypatch.context() as patched:
                patched.setattr(Store, "rows", counted)
                assert len((await turn.commit()).foreign) == 1
    return counts[0]


async def test_a_commit_reads_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of many children has as many open steps and hooks, and each of them ends alone."""
    few, many = await rows_read(tmp_path, 10, monkeypatch), await rows_read(tmp_path, 300, monkeypatch)
    assert few == many <= 3 * ENDING
