"""Failed runs that are taken up again, and runs with the same input."""

from __future__ import annotations

import pytest

from tests.semantics.steps import MENDED, PAID, gates
from tests.semantics.support import HOUR, Stage, attempts, kinds, outcome
from torpor import EntityConflictError, RunFailedError, RunHandle, UsageError
from torpor.inspection.reading import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _unique(stage: Stage, name: str) -> str:
    return f"{name}-{stage.guest}-{stage.runtime}"


async def _failed(run: RunHandle) -> RunHandle:
    """Return a run once it has failed."""
    with pytest.raises(RunFailedError):
        await outcome(run)
    return run


async def _is_sound(stage: Stage, run: RunHandle) -> None:
    """Check that what people are shown of a run tells of nothing that makes no sense."""
    details = await Reader(stage.app.client, decrypt=True).details(run.id)
    assert details.problems == []


async def test_retry_of_a_failed_run(stage: Stage) -> None:
    """The step that failed gets new attempts, what came before is not done again, and the log keeps both."""
    name = _unique(stage, "paying")
    run = await _failed(await stage.start("paying", name))
    assert PAID[name] == 2
    await run.retry()
    await _failed(run)
    assert PAID[name] == 4
    MENDED.add(name)
    await run.retry()
    assert await outcome(run) == [2, f"paid {name}", 3]
    assert PAID[name] == 5
    told = await kinds(run)
    assert (told["run_failed"], told["run_retried"], told["run_completed"], told["step_created"]) == (2, 2, 1, 3)
    paid = [attempt for kind, attempt in await attempts(run) if kind in ("step_failed", "step_completed")]
    assert paid == [1, 2, 4, 5, 1]
    assert [(step.status, step.attempt) for step in await run.steps()] == [("completed", n) for n in (1, 5, 1)]
    await _is_sound(stage, run)


async def test_retry_after_cleanup(stage: Stage) -> None:
    """What the workflow did because of the failure is void: it goes on from the failed step."""
    name = _unique(stage, "cleanup")
    run = await _failed(await stage.start("paying_with_cleanup", name))
    MENDED.add(name)
    await run.retry()
    assert await outcome(run) == [f"paid {name}", 2]
    await _is_sound(stage, run)


async def test_retry_inside_a_hook(stage: Stage) -> None:
    """A hook that the failure has disposed of is there again, and so is the timer of a timeout."""
    name = _unique(stage, "inside")
    run = await _failed(await stage.start("paying_inside", name))
    MENDED.add(name)
    await run.retry()
    await stage.resume(f"inside-{name}", "in")
    assert await outcome(run) == [f"paid {name}", "in"]
    await _is_sound(stage, run)


async def test_retry_beside_others(stage: Stage) -> None:
    """A step and a hook that were open when the run failed are open again."""
    name = _unique(stage, "beside")
    run = await _failed(await stage.start("paying_beside", name))
    MENDED.add(name)
    gates[name].open.set()
    await run.retry()
    await stage.resume(f"beside-{name}", "out")
    assert await outcome(run) == [f"paid {name}", name, "out"]
    await _is_sound(stage, run)


async def test_retry_when_a_token_is_gone(stage: Stage) -> None:
    """A run that waits for a hook whose token another run has by now is refused, and that run is named."""
    name = _unique(stage, "gone")
    run = await _failed(await stage.start("paying_beside", name))
    other = await stage.start("telling", f"beside-{name}")
    await stage.logged(other, "hook_created")
    with pytest.raises(EntityConflictError, match=f"hook 'beside-{name}', and run {other.id} has that token now"):
        await run.retry()
    await other.cancel(force=True)
    MENDED.add(name)
    gates[name].open.set()
    await run.retry()
    await stage.resume(f"beside-{name}", "out")
    assert await outcome(run) == [f"paid {name}", name, "out"]


async def test_retry_twice_at_different_steps(stage: Stage) -> None:
    """A run that was retried, slept and failed elsewhere is retried there."""
    name = _unique(stage, "twice")
    run = await _failed(await stage.start("paying_twice", name))
    MENDED.add(f"{name}-1")
    await run.retry()
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    await _failed(run)
    MENDED.add(f"{name}-2")
    await run.retry()
    assert await outcome(run) == [f"paid {name}-1", f"paid {name}-2"]
    await _is_sound(stage, run)


async def test_retry_after_a_deadline(stage: Stage) -> None:
    """A run that missed its deadline goes on from where it slept, without one."""
    run = await stage.app.start(stage.full_name("sleeping_for"), "1y", deadline="1h")
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    await _failed(run)
    await run.retry()
    assert await run.status() == "running"
    assert len(await run.wake_up()) == 1
    assert await outcome(run) == "awake"
    assert (await run.info()).deadline == 0
    await _is_sound(stage, run)


async def test_retry_of_a_mistake(stage: Stage) -> None:
    """A run that failed by its own code is refused, with advice; so is one that has survived a step's failure."""
    for workflow in ("failing_of_itself", "surviving"):
        run = await _failed(await stage.start(workflow, _unique(stage, workflow)))
        with pytest.raises(UsageError, match=f"failed in its own code.*torpor rerun {run.id}"):
            await run.retry()
        assert await run.status() == "failed"


async def test_retry_of_what_has_not_failed(stage: Stage) -> None:
    """The error says how it stands."""
    run = await stage.start("doubled", 4)
    await outcome(run)
    with pytest.raises(EntityConflictError, match="is completed, and only failed runs are retried"):
        await run.retry()


async def test_rerun(stage: Stage) -> None:
    """A new run of the same workflow with the same input, queue, priority and attributes, and no deadline."""
    name = _unique(stage, "rerun")
    first = await stage.app.start(
        stage.full_name("paying"), name, attributes={"customer": name}, priority=3, deadline="1d"
    )
    await _failed(first)
    MENDED.add(name)
    second = await first.rerun(run_id=f"again-{name}")
    assert await outcome(second) == [2, f"paid {name}", 3]
    info = await second.info()
    assert (info.id, info.attributes, info.priority, info.deadline) == (f"again-{name}", {"customer": name}, 3, 0)
