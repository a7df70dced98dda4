"""Randomness and time of Python workflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.semantics.application import app as application
from tests.semantics.support import MovableClock, Stage, outcome
from torpor.model import Runtime

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("guest", ["cpython"], scope="module")]

ENTROPY = slice(0, 9)
CLOCKS = slice(10, None)


async def test_what_was_drawn_stays_drawn(guest: str, runtime: Runtime, tmp_path: Path) -> None:
    """Another worker that rebuilds the run from its log gets the same numbers and times as the first one."""
    clock = MovableClock()
    app = application.on(f"sqlite:///{tmp_path}/torpor.db", runtime=runtime, clock=clock)
    async with app:
        stage = Stage(app, guest, clock)
        async with app.worker():
            run = await stage.start("draws_around_a_wait", "drawn")
            await stage.logged(run, "hook_created")
        await app.world.delete_snapshot(run.id)
        await app.resume_hook("drawn")
        async with app.worker():
            drawn = await outcome(run)
    assert drawn["before"] == drawn["recorded"]


async def test_draws_differ(stage: Stage, runtime: Runtime) -> None:
    """Nothing is drawn twice, neither in one run nor in two; clocks move on with what is delivered."""
    runs = [await stage.start("draws_around_a_wait", f"differ-{runtime}-{n}") for n in range(2)]
    for run in runs:
        await stage.logged(run, "hook_created")
    stage.clock.put_forward(60_000)
    for n in range(2):
        await stage.resume(f"differ-{runtime}-{n}")
    results = [await outcome(run) for run in runs]
    entropy = [value for each in results for when in ("before", "after") for value in each[when][ENTROPY]]
    assert len(set(entropy)) == len(entropy)
    for each in results:
        assert all(before != after for before, after in zip(each["before"][CLOCKS], each["after"][CLOCKS], strict=True))


async def test_sets_keep_their_order(stage: Stage) -> None:
    """A set is iterated in the same order after every wait."""
    first, second = await stage.result("sets_are_iterated")
    assert first == second
