"""Any moment of a run's life, in both languages and runtimes, of runs that go on, failed, were retried, or ended."""

from __future__ import annotations

import pytest

from tests.engine.support import until
from tests.semantics.steps import MENDED
from tests.semantics.support import Stage, outcome
from torpor import RunFailedError, RunHandle, UsageError
from torpor.inspection.archive import archive

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _paid_late(stage: Stage, name: str) -> RunHandle:
    """Return a run that failed, was retried, and completed."""
    run = await stage.start("paying", name)
    with pytest.raises(RunFailedError):
        await outcome(run)
    MENDED.add(name)
    await run.retry()
    await outcome(run)
    return run


async def test_moments_of_a_run_that_was_retried(stage: Stage) -> None:
    """Those before the retry show the failure, those after it the run that went on; in any order."""
    run = await _paid_late(stage, f"past-{stage.guest}-{stage.runtime}")
    events = await run.events()
    failed = next(event.seq for event in events if event.type == "run_failed")
    retried = next(event.seq for event in events if event.type == "run_retried")
    step_failed = next(event.seq for event in events if event.type == "step_failed")
    async with run.travel() as traveller:
        for _ in range(2):
            said = [await traveller.at(seq) for seq in (-1, failed, retried, step_failed - 1, step_failed, 1)]
            assert [moment.status for moment in said] == ["completed", "failed", *["running"] * 3, "pending"]
            output = [["before", "after"], *[["before"]] * 4, []]
            assert [[line.text for line in moment.output] for moment in said] == output
            assert said[2].tasks == said[3].tasks  # as if the failure had not been
            if stage.speaks_python:
                assert [moment.position and moment.position.line for moment in said[2:4]] == [17, 17]
                assert said[0].tasks == ()


async def test_a_moment_tells_locals_and_output(stage: Stage) -> None:
    """Of a run that sleeps, at its newest event and at earlier ones; a later place is found once it is there."""
    run = await stage.start("many_steps", 3, f"moments-{stage.guest}-{stage.runtime}")
    await stage.logged(run, "hook_created", 1)
    async with run.travel() as traveller:
        newest = await traveller.at(-1)
        assert (newest.status, newest.last) == ("running", newest.seq)
        with pytest.raises(UsageError, match=f"after events 1 to {newest.last}"):
            await traveller.at(newest.last + 1)
        await stage.resume(f"moments-{stage.guest}-{stage.runtime} 1")
        await stage.logged(run, "hook_created", 2)
        assert (await traveller.at(newest.last + 1)).event == "hook_received"
    await stage.resume(f"moments-{stage.guest}-{stage.runtime} 2")
    await outcome(run)


async def test_a_log_that_lost_its_beginning(stage: Stage) -> None:
    """Its moments are shown from its snapshot on, and are those that were shown while it was whole."""
    if stage.runtime == "replay":
        pytest.skip("a run that is replayed keeps its log")
    token = f"archived-{stage.guest}"
    run = await stage.start("many_steps", 4, token)
    await stage.logged(run, "hook_created", 1)

    async def dropped() -> int:
        return (await archive(stage.app.client, run.id))[1]

    async with run.travel() as traveller:
        assert await until(stage.app, dropped)
        whole = await traveller.at(-1)
    async with run.travel() as traveller:
        left = await traveller.at(-1)
        assert (left.tasks, left.output) == (whole.tasks, whole.output)
        assert left.first > 1
        with pytest.raises(UsageError, match=f"after events {left.first} to {left.last}, not after event 1"):
            await traveller.at(1)
    await stage.resume(f"{token} 1")
    await stage.resume(f"{token} 2")
    await outcome(run)
    async with run.travel() as traveller:
        assert left.first <= traveller.first <= traveller.last
