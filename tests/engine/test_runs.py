"""What the engine makes of runs, on every world and runtime; what workflows can do is tested in tests/semantics."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.engine.support import TIMEOUT, result, resumed
from torpor import RunFailedError, Torpor
from torpor.errors import EntityConflictError


async def test_more_steps_than_run_inline_at_once(working: Torpor) -> None:
    """Three hundred steps at once are spread over inline steps and tasks."""
    assert await result(working, "fan", 300) == sum(range(1, 301))


async def test_a_long_loop_is_snapshotted_on_the_way(working: Torpor) -> None:
    """Two hundred steps one after another count to two hundred."""
    assert await result(working, "many", 200) == 200


async def test_sleep_lasts_as_long_as_asked(working: Torpor) -> None:
    """The guest's clock has moved on by at least the time slept."""
    assert await result(working, "sleeps", 120) >= 120


async def test_a_resume_id_is_recorded_once(app: Torpor) -> None:
    """Resuming again with the same id changes nothing."""
    async with app.worker():
        run = await app.start("collects", "t-6")
        await resumed(app, "t-6", {"n": 0})
        for _ in range(3):
            await app.resume_hook("t-6", {"n": 1}, resume_id="same")
        await app.resume_hook("t-6", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [0, 1, 2]


async def test_a_timeout_is_a_failure_like_others(working: Torpor) -> None:
    """The first attempt passes its timeout, the second succeeds."""
    assert await result(working, "timesOut") == 2


async def test_a_slow_step_is_handed_over(working: Torpor) -> None:
    """A step that takes longer than a turn waits becomes a task, and its result wakes the run."""
    assert await result(working, "runsSlow", 150) == "done"


async def test_an_event_from_elsewhere_overtakes_a_running_step(working: Torpor) -> None:
    """The hook's payload is seen before the result of the step that was still running."""
    run = await working.start("racesHook", "t-7", 300)
    await resumed(working, "t-7", 1)
    assert await run.result(timeout=TIMEOUT) == ["hook", "step"]


async def test_interleavings_of_hook_and_step_never_diverge(working: Torpor) -> None:
    """Payloads that arrive about when the step ends are consumed in the order of the log."""
    runs = [await working.start("racesHook", f"t-8-{n}", n) for n in range(12)]
    await asyncio.gather(*(resumed(working, f"t-8-{n}", n) for n in range(12)))
    for run in runs:
        order = await run.result(timeout=TIMEOUT)
        inputs = [e.type for e in await run.events() if e.type in ("step_completed", "hook_received")]
        assert order == [{"step_completed": "step", "hook_received": "hook"}[kind] for kind in inputs]


async def test_typescript_runs(working: Torpor) -> None:
    """Types are stripped and the rest behaves like JavaScript."""
    assert await result(working, "typed", {"id": "o-1", "cents": 41}) == {"id": "o-1", "total": 42}


async def test_typescript_stacks_name_the_authors_line(working: Torpor) -> None:
    """The line is the one in the .ts file."""
    run = await working.start("typedThrows")
    with pytest.raises(RunFailedError) as failure:
        await run.result(timeout=TIMEOUT)
    assert "flows/typed.ts:20" in getattr(failure.value.__cause__, "stack", "")


async def test_starting_the_same_id_again_returns_the_run(working: Torpor) -> None:
    """Start is idempotent by run id, and refuses other arguments."""
    run = await working.start("addTen", 1)
    again = await working.start("addTen", 1, run_id=run.id)
    assert again.id == run.id
    with pytest.raises(EntityConflictError):
        await working.start("addTen", 2, run_id=run.id)


async def test_many_runs_at_once(working: Torpor) -> None:
    """More runs than VMs all end."""
    runs = [await working.start("addTen", n) for n in range(40)]
    results = await asyncio.gather(*(run.result(timeout=TIMEOUT) for run in runs))
    assert results == [n + 10 for n in range(40)]


async def test_the_log_is_dense(working: Torpor) -> None:
    """Sequence numbers count from one without a gap, and times do not go back."""
    run = await working.start("fan", 5)
    await run.result(timeout=TIMEOUT)
    events = await run.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(a.at <= b.at for a, b in itertools.pairwise(events))
