"""Cancelling runs from outside."""

from __future__ import annotations

import pytest

from tests.semantics.support import Stage, kinds
from torpor import RunCancelledError
from torpor.errors import EntityConflictError, HookNotFoundError

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_cancel_run(stage: Stage) -> None:
    """The result of a cancelled run rejects with the reason, its hook is gone, and it cannot be cancelled twice."""
    run = await stage.start("waits_for", "to-be-cancelled")
    await stage.logged(run, "hook_created")
    await run.cancel("not needed any more")
    with pytest.raises(RunCancelledError, match="not needed any more"):
        await run.result()
    assert await run.status() == "cancelled"
    with pytest.raises(HookNotFoundError):
        await stage.app.resume_hook("to-be-cancelled")
    with pytest.raises(EntityConflictError, match="cancelled"):
        await run.cancel()


async def test_cancel_run_in_a_step(stage: Stage) -> None:
    """A run whose steps still run ends at once, and nothing is written after that."""
    run = await stage.start("never_ends")
    await stage.logged(run, "step_created")
    await run.cancel()
    assert (await run.events())[-1].type == "run_cancelled"
    assert (await kinds(run))["step_completed"] == 0


async def test_cancel_many(stage: Stage) -> None:
    """Several runs are cancelled at once; those that had ended are left alone."""
    ended = await stage.start("sleeping", 0)
    await ended.result()
    waiting = [await stage.start("sleeping", "1y") for _ in range(3)]
    for run in waiting:
        await stage.logged(run, "wait_created")
    cancelled = await stage.app.cancel([ended.id, *(run.id for run in waiting)], "closing down")
    assert cancelled == [run.id for run in waiting]
    assert [await run.status() for run in [ended, *waiting]] == ["completed", *["cancelled"] * 3]
