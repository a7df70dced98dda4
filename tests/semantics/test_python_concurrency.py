"""asyncio inside a workflow."""

from __future__ import annotations

import pytest

from tests.semantics.support import HOUR, SECOND, Stage, kinds, outcome

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("guest", ["cpython"], scope="module")]


async def test_task_group(stage: Stage) -> None:
    """A group ends when all of its tasks have."""
    assert await stage.result("task_group") == 55


async def test_task_group_with_a_failing_child(stage: Stage) -> None:
    """One failure cancels the siblings, and all failures come out as a group."""
    first, *errors = await stage.result("task_group_with_a_failing_child")
    assert "sibling cancelled" in (first, *errors)
    assert "ExceptionGroup of ValueError" in (first, *errors)


@pytest.mark.parametrize("workflow", ["timeout_around_a_step", "timeout_around_a_sleep"])
async def test_timeout(stage: Stage, workflow: str) -> None:
    """A timeout of an hour is a durable timer, around a step and around a longer sleep."""
    run = await stage.start(workflow)
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    verdict, seconds = await outcome(run)
    assert verdict == "late"
    assert HOUR / SECOND <= seconds < 2 * HOUR / SECOND


async def test_timeout_that_is_not_reached(stage: Stage) -> None:
    """Timeouts that end in time leave at most a wait or two behind, not one each."""
    run = await stage.start("timeout_that_is_not_reached")
    assert await outcome(run) == list(range(1, 21))
    assert (await kinds(run))["wait_created"] <= 2


async def test_timeout_that_was_left(stage: Stage, runtime: str) -> None:
    """It is no longer waited for: neither does the run say so, nor does the timeout's end wake it."""
    token = f"left-{runtime}"
    run = await stage.start("timeout_before_a_hook", token)
    (made,) = await stage.logged(run, "wait_created")
    (left,) = await stage.logged(run, "wait_disposed")
    assert (left.id, left.op) == (made.id, made.op)
    await stage.logged(run, "hook_created")
    assert [awaited.name for awaited in (await run.info()).waits_for] == [token]
    head = (await run.info()).head
    stage.clock.put_forward(2 * HOUR)
    assert await stage.result("as_completed") is not None  # another run, which the worker takes up later
    assert (await run.info()).head == head
    await stage.resume(token, "yes")
    assert await outcome(run) == "yes"


async def test_wait_for(stage: Stage) -> None:
    """wait_for gives the result of what is in time, and TimeoutError otherwise."""
    run = await stage.start("wait_for")
    await stage.logged(run, "step_created", 2)
    stage.clock.put_forward(HOUR)
    assert await outcome(run) == ["in time", "late"]


async def test_shield(stage: Stage, runtime: str) -> None:
    """What is shielded goes on when its waiter is cancelled."""
    run = await stage.start("shield", f"shielded-{runtime}")
    await stage.logged(run, "step_completed")
    await stage.resume(f"shielded-{runtime}", "inner went on")
    assert await outcome(run) == ["outer cancelled", "inner went on"]


async def test_as_completed(stage: Stage) -> None:
    """Every result comes once."""
    assert sorted(await stage.result("as_completed")) == [0, 1, 2, 3, 4]


async def test_queue(stage: Stage) -> None:
    """What one task produces, others consume, each item once."""
    assert sorted(await stage.result("queue", 12, 3)) == list(range(100, 112))


async def test_lock(stage: Stage) -> None:
    """A lock is held across awaits."""
    assert await stage.result("lock", 10) == 10


async def test_semaphore(stage: Stage) -> None:
    """A semaphore limits how many steps of a fan-out are under way."""
    run = await stage.start("semaphore", 30, 4)
    assert await outcome(run) == sum(range(1, 31))
    under_way = most = 0
    for event in await run.events():
        under_way += (event.type == "step_created") - (event.type == "step_completed")
        most = max(most, under_way)
    assert most == 4


async def test_events_and_barriers(stage: Stage) -> None:
    """Events, barriers and call_later wait for one another, the last for an hour."""
    run = await stage.start("events_and_barriers")
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    assert await outcome(run) == ["in"] * 3 + ["out"] * 3


async def test_context_variables(stage: Stage) -> None:
    """Every task keeps its own value across steps and sleeps."""
    assert await stage.result("context_variables") == {"ada": "ada", "grace": "grace", "own": "the workflow"}


async def test_cancelled_task(stage: Stage) -> None:
    """Cancelling a task that awaits a step gets past ``except Exception`` and lets it clean up with another."""
    assert await stage.result("cancelled_task") == ["cleaned up", "enough", "went on"]


async def test_async_generator(stage: Stage) -> None:
    """A generator yields results of steps and cleans up with another when it is closed."""
    assert await stage.result("async_generator") == [3, 2, "closed"]


@pytest.mark.parametrize("what", ["to_thread", "open_connection", "create_subprocess_exec", "time.sleep", "socket"])
async def test_refused(stage: Stage, what: str) -> None:
    """Threads, sockets, processes and blocking sleeps are refused with the advice to use something else."""
    told = (await stage.result("refused"))[what]
    assert "sleep" in told if what == "time.sleep" else "step" in told
