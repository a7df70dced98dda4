"""Runs that start runs, in their own language and in the other one."""

from __future__ import annotations

import pytest

from tests.semantics.application import app as application
from tests.semantics.support import HOUR, MovableClock, Stage, outcome
from torpor import WorkerSettings
from torpor.model import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = {"quickjs": "cpython", "cpython": "quickjs"}


async def test_spawn_from_workflow(stage: Stage) -> None:
    """A workflow starts another one and gets its result; the child is a run of its own."""
    parent = await stage.start("spawn_from_workflow", 21)
    told = await outcome(parent)
    assert told == {"child": told["child"], "result": 42, "status": "completed"}
    child = await stage.app.run(told["child"]).info()
    assert child.id != parent.id
    assert (child.workflow, child.runtime) == (stage.full_name("doubled"), (await parent.info()).runtime)


async def test_spawn_from_step(stage: Stage) -> None:
    """A step starts a run, and the workflow waits for it."""
    told = await stage.result("spawn_from_step", stage.full_name("doubled"), 21)
    assert told["result"] == 42
    assert await stage.app.run(told["child"]).status() == "completed"


async def test_spawn_in_the_other_language(stage: Stage) -> None:
    """A workflow starts one of the other language by name, and gets its result."""
    other = Stage(stage.app, OTHER[stage.guest], stage.clock)
    assert await stage.result("spawn_by_name", other.full_name("doubled"), 4) == 8


async def test_fibonacci(guest: str, runtime: Runtime) -> None:
    """Recursion ends though only two runs may be awake at once: a run that waits for a child holds no worker."""
    clock = MovableClock()
    settings = WorkerSettings(turns=2, steps=2)
    async with application.on("memory://", runtime=runtime, clock=clock, settings=settings) as app, app.worker():
        stage = Stage(app, guest, clock)
        assert await stage.result("fibonacci", 6) == 8
        assert len(await app.list_runs(limit=100)) == 25


async def test_child_fails(stage: Stage) -> None:
    """The parent sees that the child failed, and why."""
    assert await stage.result("child_fails") == {"error": "RunFailedError", "cause": "the child failed"}


async def test_child_is_cancelled(stage: Stage) -> None:
    """A parent may cancel its child, and awaiting the child then says so."""
    told = await stage.result("child_is_cancelled", stage.full_name("sleeping"))
    assert told["error"] == "RunCancelledError"
    assert "the parent changed its mind" in told["message"]
    assert told["status"] == "cancelled"


async def test_child_is_unknown(stage: Stage) -> None:
    """Starting what is not there can be caught."""
    assert "add_eleven" in await stage.result("child_is_unknown")


async def test_step_as_start_argument(stage: Stage) -> None:
    """A step may be an argument of a run."""
    assert await stage.result("step_as_start_argument", 3, 4) == 7


async def test_run_as_argument(stage: Stage) -> None:
    """The handle of a run may be an argument of a step."""
    result, child = await stage.result("run_as_argument", 21)
    assert result == 42
    assert await stage.app.run(child).status() == "completed"


async def test_a_child_outlives_its_parent(stage: Stage) -> None:
    """The child is independent: one that is detached goes on when the parent is cancelled while it waits."""
    parent = await stage.start("parent_of", stage.full_name("sleeping"), "2h", True)
    await stage.logged(parent, "hook_created")
    (child,) = [run for run in await stage.app.list_runs() if run.parent == parent.id]
    await stage.logged(stage.app.run(child.id), "wait_created")
    await parent.cancel()
    stage.clock.put_forward(2 * HOUR)
    assert await outcome(stage.app.run(child.id)) >= 2 * HOUR
