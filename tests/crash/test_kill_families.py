"""
SIGKILL of a worker between a child's end and its parent's waking, and around it: no end is lost, no child doubled.

As in ``test_kill``, a round lets one worker die at a random passage of the point, kills the next one at a random
moment besides, and lets a third one finish.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.test_kill import live_and_die
from torpor import ids
from torpor.client import Client
from torpor.engine.failpoints import Failpoint
from torpor.model import RunFilter
from torpor.worlds import open_world

POINTS = (Failpoint.AFTER_ENDING, Failpoint.BEFORE_COMMIT, Failpoint.WHILE_PARKING, Failpoint.AFTER_DELIVER)
PARENTS = 2
CHILDREN = 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
async def test_families_outlive_workers_killed_at(point: Failpoint, rounds: int, tmp_path: Path) -> None:
    """Every parent has the right result, started each child once, and heard of each end once."""
    dice = random.Random(point)
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    client = Client(world)
    ledger = tmp_path / "ledger.txt"
    died = 0
    try:
        for _ in range(rounds):
            parents = [ids.fresh("wrun", world.clock.now()) for _ in range(PARENTS)]
            starts = {run_id: ["parent"] for run_id in parents}
            died += await live_and_die(world.url, ledger, starts, point, dice.randint(1, 6), None)
            await live_and_die(world.url, ledger, starts, point, dice.randint(1, 20), dice.uniform(0.05, 0.3))
            assert await live_and_die(world.url, ledger, starts, "", 0, None) == 0
            for run_id in parents:
                await _check(client, run_id)
    finally:
        await world.close()
    assert died >= rounds // 2, "the crash point was hardly ever passed"


async def _check(client: Client, run_id: str) -> None:
    assert await client.run(run_id).result() == {"total": 20, "status": "completed"}
    children = [run.id for run in await client.world.list_runs(RunFilter(limit=500)) if run.parent == run_id]
    assert len(children) == CHILDREN
    events = await client.run(run_id).events()
    received = [event.ref for event in events if event.type == "hook_received"]
    assert sorted(received) == sorted(children)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
