"""What a workflow can do, on every world and runtime."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.engine.support import TIMEOUT, has_event, result, resumed
from torpor import RunFailedError, Torpor
from torpor.errors import EntityConflictError, HookNotFoundError, WorkflowNotRegisteredError


async def test_sequential_steps_pass_values_on(working: Torpor) -> None:
    """Three additions end in 133."""
    assert await result(working, "addTen", 123) == 133


async def test_parallel_steps_keep_their_order(working: Torpor) -> None:
    """Promise.all gives results in the order of its arguments."""
    assert await result(working, "all") == "ABC"


async def test_more_steps_than_run_inline_at_once(working: Torpor) -> None:
    """Three hundred steps at once are spread over inline steps and tasks."""
    assert await result(working, "fan", 300) == sum(range(1, 301))


async def test_a_long_loop_is_snapshotted_on_the_way(working: Torpor) -> None:
    """Two hundred steps one after another count to two hundred."""
    assert await result(working, "many", 200) == 200


async def test_sleep_lasts_as_long_as_asked(working: Torpor) -> None:
    """The guest's clock has moved on by at least the time slept."""
    assert await result(working, "sleeps", 120) >= 120


async def test_a_past_date_resolves_at_once(working: Torpor) -> None:
    """Zero milliseconds are over when they begin."""
    assert await result(working, "sleeps", 0) is not None


async def test_parallel_sleeps_overlap(working: Torpor) -> None:
    """Ten sleeps of 100 ms take far less than a second."""
    assert 100 <= await result(working, "parallelSleeps") < 900


async def test_a_hook_wakes_its_run_with_the_payload(working: Torpor) -> None:
    """The payload arrives whole."""
    run = await working.start("waits", "t-1")
    assert (await resumed(working, "t-1", {"n": 41})).id == run.id
    assert await run.result(timeout=TIMEOUT) == {"got": {"n": 41}, "sum": 42}


async def test_payloads_keep_the_order_of_arrival(working: Torpor) -> None:
    """Payloads that come faster than they are consumed are consumed in order."""
    run = await working.start("collects", "t-2")
    await resumed(working, "t-2", {"n": 0})
    for n in range(1, 20):
        await working.resume_hook("t-2", {"n": n, "last": n == 19})
    assert await run.result(timeout=TIMEOUT) == list(range(20))


async def test_a_token_belongs_to_one_live_hook(working: Torpor) -> None:
    """The second run sees the first as the owner, and awaiting its own hook throws."""
    first = await working.start("waitsForReply", "t-3")
    await has_event(working, first, "hook_created")
    assert await result(working, "conflicts", "t-3") == first.id
    assert await result(working, "conflictThrows", "t-3") == {"name": "HookConflictError", "token": "t-3"}
    await working.resume_hook("t-3", "hello")
    assert await first.result(timeout=TIMEOUT) == "hello"


async def test_the_end_of_a_run_frees_its_token(working: Torpor) -> None:
    """A token can be used again, and resuming the old hook says that it is gone."""
    for n in (1, 2):
        run = await working.start("waits", "t-4")
        await resumed(working, "t-4", {"n": n})
        await run.result(timeout=TIMEOUT)
    with pytest.raises(HookNotFoundError, match="t-4"):
        await working.resume_hook("t-4", {"n": 3})


async def test_a_disposed_hook_receives_nothing(working: Torpor) -> None:
    """Disposal is recorded and ends the hook."""
    run = await working.start("disposes", "t-5")
    await resumed(working, "t-5", 1)
    assert await run.result(timeout=TIMEOUT) == 1
    assert [e.type for e in await run.events()].count("hook_disposed") == 1


async def test_a_resume_id_is_recorded_once(app: Torpor) -> None:
    """Resuming again with the same id changes nothing."""
    async with app.worker():
        run = await app.start("collects", "t-6")
        await resumed(app, "t-6", {"n": 0})
        for _ in range(3):
            await app.resume_hook("t-6", {"n": 1}, resume_id="same")
        await app.resume_hook("t-6", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [0, 1, 2]


async def test_a_failing_step_is_retried(working: Torpor) -> None:
    """The third attempt succeeds, and the log tells all three."""
    run = await working.start("retried")
    assert await run.result(timeout=TIMEOUT) == 3
    types = [event.type for event in await run.events()]
    assert types.count("step_started") == 3
    assert types.count("step_retrying") == 2


async def test_the_last_failure_reaches_the_workflow(working: Torpor) -> None:
    """The error says how many attempts were made and has the last one as its cause."""
    caught = await result(working, "catches")
    assert "failed after 2 attempts" in caught["message"]
    assert caught["cause"] == "cannot"
    assert "steps.py" in caught["stack"]
    assert "torpor/engine" not in caught["stack"]


async def test_a_fatal_error_is_not_retried(working: Torpor) -> None:
    """The workflow recognises it."""
    run = await working.start("catchesFatal")
    assert await run.result(timeout=TIMEOUT) is True
    assert [event.type for event in await run.events()].count("step_started") == 1


async def test_a_retryable_error_sets_the_delay(working: Torpor) -> None:
    """The second attempt comes after 50 ms, not after the step's backoff of a minute."""
    run = await working.start("retriesLater")
    assert await run.result(timeout=TIMEOUT) == 2
    events = await run.events()
    retrying = next(event for event in events if event.type == "step_retrying")
    second = [event for event in events if event.type == "step_started"][1]
    assert second.at >= retrying.due


async def test_a_timeout_is_a_failure_like_others(working: Torpor) -> None:
    """The first attempt passes its timeout, the second succeeds."""
    assert await result(working, "timesOut") == 2


async def test_def_steps_run_in_threads(working: Torpor) -> None:
    """They see the metadata of their step there."""
    assert await result(working, "threads") == "1 21"


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


async def test_errors_keep_class_message_and_cause(working: Torpor) -> None:
    """A run that throws fails with USER_ERROR and an error whose stack names the author's file."""
    run = await working.start("throwsNested")
    with pytest.raises(RunFailedError, match="outer failed") as failure:
        await run.result(timeout=TIMEOUT)
    assert failure.value.failure == "USER_ERROR"
    error = failure.value.__cause__
    assert getattr(error, "name", None) == "TypeError"
    assert "flows/basics.js" in getattr(error, "stack", "")
    assert "inner failed" in str(error.__cause__ if error else None)


async def test_log_lines_are_kept_once(working: Torpor) -> None:
    """What workflow code writes is stored in order."""
    run = await working.start("says")
    await run.result(timeout=TIMEOUT)
    assert [(line.level, line.text) for line in await run.logs()] == [("info", "before { a: 1 }"), ("warn", "after")]


async def test_workflow_knows_itself(working: Torpor) -> None:
    """The metadata has the run's id and the workflow's name."""
    run = await working.start("about")
    about = await run.result(timeout=TIMEOUT)
    assert about["workflowRunId"] == run.id


async def test_entropy_differs_between_runs(working: Torpor) -> None:
    """Random numbers, ids and times are the run's own and never repeat inside it."""
    first, second = [await result(working, "draws") for _ in range(2)]
    assert len({*map(str, first), *map(str, second)}) >= 9


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


async def test_an_unknown_workflow_is_refused(app: Torpor) -> None:
    """The message lists the known ones."""
    with pytest.raises(WorkflowNotRegisteredError, match="addTen"):
        await app.start("addEleven")


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
