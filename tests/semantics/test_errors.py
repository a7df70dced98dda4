"""Errors: what is retried, what reaches the workflow, and what a failed run tells."""

from __future__ import annotations

import re

import pytest

from tests.engine.support import TIMEOUT, until
from tests.semantics.application import app as application
from tests.semantics.steps import gates
from tests.semantics.support import HOUR, MovableClock, Stage, attempts, name_of, outcome, stack_of
from torpor import FatalError, RunFailedError, RunHandle, StepError, Torpor
from torpor.errors import WorkflowNotRegisteredError
from torpor.inspection.reading import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a flow throws where the languages have no common class.
RANGE = {"quickjs": "RangeError", "cpython": "IndexError"}


async def failure(run: RunHandle) -> RunFailedError:
    """Return the error of a run that fails for the fault of its author."""
    with pytest.raises(RunFailedError) as failed:
        await run.result(timeout=TIMEOUT)
    assert failed.value.failure == "USER_ERROR"
    assert await run.status() == "failed"
    return failed.value


async def test_error_nested(stage: Stage) -> None:
    """A failed run tells class, message and cause, and its stack names functions and the author's file."""
    error = (await failure(await stage.start("error_nested"))).__cause__
    assert error is not None
    assert name_of(error) == "TypeError"
    assert "outermost failed" in str(error)
    cause = error.__cause__
    assert name_of(cause) == RANGE[stage.guest]
    assert "innermost failed" in str(cause)
    stack = stack_of(cause)
    assert stack.count("flows/errors.") == 3
    assert all(name in stack for name in ("inner", "outer", stage.full_name("error_nested").rpartition("//")[2]))


async def test_error_across_files(stage: Stage) -> None:
    """The stack goes through all files of the workflow."""
    error = (await failure(await stage.start("error_across_files"))).__cause__
    assert name_of(error) == RANGE[stage.guest]
    stack = stack_of(error)
    assert "flows/helping." in stack
    assert "flows/errors." in stack
    assert stage.full_name("error_across_files").rpartition("//")[2] in stack
    assert "torpor/" not in stack


async def test_step_error_caught(stage: Stage) -> None:
    """The workflow catches how many attempts failed and why; the step's own function and file are in the stack."""
    run = await stage.start("step_error_caught")
    caught = await outcome(run)
    assert caught["message"] == (
        "step step//./steps.py//fails failed after 2 attempts: ValueError: cannot "
        "(catch StepError: its cause is this ValueError)"
    )
    assert caught["attempts"] == 2
    assert caught["cause"] == "cannot"
    assert "in fails" in caught["stack"]
    assert "semantics/steps.py" in caught["stack"]
    assert "torpor/engine" not in caught["stack"]
    assert await attempts(run) == [("step_created", 1), ("step_retrying", 1), ("step_failed", 2)]


async def test_step_error_across_files(stage: Stage) -> None:
    """The stack of a step goes through all of its files."""
    caught = await stage.result("step_error_across_files")
    assert "broken in another file" in caught["cause"]
    assert "semantics/steps.py" in caught["stack"]
    assert "in fails_across_files" in caught["stack"]
    assert "semantics/plain_steps.py" in caught["stack"]
    assert "in break_elsewhere" in caught["stack"]


async def test_step_error_uncaught(stage: Stage) -> None:
    """A step's failure that nobody catches is the run's, with everything that it had."""
    error = (await failure(await stage.start("step_error_uncaught"))).__cause__
    assert isinstance(error, StepError) or name_of(error) == "StepError"
    assert error is not None
    assert isinstance(error.__cause__, ValueError)
    assert "in fails" in stack_of(error.__cause__)


async def test_retry_until_success(stage: Stage) -> None:
    """The third attempt succeeds, and the log tells all three."""
    run = await stage.start("retry_until_success")
    assert await outcome(run) == 3
    assert await attempts(run) == [
        ("step_created", 1),
        ("step_retrying", 1),
        ("step_retrying", 2),
        ("step_completed", 3),
    ]


async def test_retry_after(stage: Stage) -> None:
    """The second attempt comes no earlier than asked."""
    run = await stage.start("retry_after")
    (retrying,) = await stage.logged(run, "step_retrying")
    assert abs(retrying.due - retrying.at - HOUR) < 1_000
    stage.clock.put_forward(HOUR)
    assert await outcome(run) == 2
    (completed,) = await stage.logged(run, "step_completed")
    assert completed.at >= retrying.due


async def test_progress_reaches_people_and_the_next_attempt(stage: Stage) -> None:
    """While an attempt runs it can be seen; when it fails the next one has the newest."""
    gate = f"copies-{stage.guest}-{stage.runtime}"
    run = await stage.start("goes_on_where_it_was", gate)

    async def told() -> object:
        return [awaited.progress for awaited in (await run.info()).waits_for] == [5]

    assert await until(stage.app, told)
    assert [step.progress for step in (await Reader(stage.app.client).history(run.id, limit=1)).steps.values()] == [5]
    gates[gate].open.set()
    assert await outcome(run) == [10, 15]
    assert (await run.info()).waits_for == ()


FAILED = r"step step//\./steps\.py//fails_with failed after"


def assert_told(messages: list[str], *told: str) -> None:
    """Check what steps said, each by a pattern."""
    assert len(messages) == len(told)
    for message, pattern in zip(messages, told, strict=True):
        assert re.match(pattern, message), message


async def test_only_some_errors_are_retried(stage: Stage) -> None:
    """Those of retry_on without those of never_retry; a RetryableError asks for itself."""
    assert_told(
        await stage.result("retries_some"),
        f"{FAILED} 4 attempts: ConnectionRefusedError",
        f"{FAILED} 1 attempt, since this error is not retried: FileNotFoundError",
        f"{FAILED} 1 attempt, since this error is not retried: ValueError",
        f"{FAILED} 4 attempts: RetryableError",
    )


async def test_a_call_has_options_of_its_own(stage: Stage) -> None:
    """They outlive sleep, replay and a way through a step, and whoever carries out the second attempt knows them."""
    token = f"options-{stage.guest}-{stage.runtime}"
    run = await stage.start("calls_with_options", token)
    await stage.resume(token)
    assert_told(
        await outcome(run),
        f"{FAILED} 2 attempts: ConnectionRefusedError",
        f"{FAILED} 2 attempts: RetryableError",
        f"{FAILED} 2 attempts: ConnectionRefusedError",
        r"step step//\./steps\.py//naps failed after 1 attempt: TimeoutError: .* its timeout of 0\.01 s",
        r"step step//\./steps\.py//naps failed after 1 attempt: HeartbeatTimeoutError: .* its heartbeat of 0\.01 s",
        r"step .*//naps failed after 1 attempt, since its schedule_to_close leaves no time for another: "
        r"ScheduleToCloseTimeoutError: .* was not done within its schedule_to_close",
        f"{FAILED} 1 attempt, since its schedule_to_close leaves no time for another: RetryableError: in an hour",
    )


@pytest.mark.parametrize("guest", ["cpython"], scope="module")
async def test_a_call_names_errors_of_its_own(stage: Stage) -> None:
    """Classes of Python travel by name."""
    assert_told(
        await stage.result("calls_with_errors_of_its_own"),
        f"{FAILED} 2 attempts: ValueError",
        f"{FAILED} 1 attempt, since this error is not retried: ConnectionRefusedError",
        f"{FAILED} 2 attempts: FileNotFoundError",
        f"{FAILED} 2 attempts: ConnectionRefusedError",
    )


@pytest.mark.parametrize(("workflow", "name"), [("max_retries_zero", "StepError"), ("fatal", "FatalError")])
async def test_no_retry(stage: Stage, workflow: str, name: str) -> None:
    """Without retries, and after a FatalError, the first attempt is the last."""
    run = await stage.start(workflow)
    assert name_of((await failure(run)).__cause__) == name
    assert await attempts(run) == [("step_created", 1), ("step_failed", 1)]


async def test_fatal_is(stage: Stage) -> None:
    """A FatalError of a step is recognised in the workflow, with its message."""
    assert await stage.result("fatal_is") == [True, "refused for good"]


async def test_throws_fatal(stage: Stage) -> None:
    """A FatalError of the workflow itself is one outside, too."""
    error = (await failure(await stage.start("throws_fatal"))).__cause__
    assert isinstance(error, FatalError)
    assert "the workflow gives up" in str(error)


async def test_wrong_arguments_are_not_retried(stage: Stage) -> None:
    """A step that does not take its arguments fails at once, and the workflow may catch that."""
    run = await stage.start("calls_with_too_many")
    assert "2 arguments" in await outcome(run)
    assert await attempts(run) == [("step_created", 1), ("step_failed", 1)]


async def test_step_not_registered(guest: str) -> None:
    """A worker that lacks a step leaves it to one that has it, and says so."""
    clock = MovableClock()
    async with application.on("memory://", clock=clock) as app:
        run = await Stage(app, guest, clock).start("retry_until_success")
        async with Torpor(app.world).worker() as without:
            (waiting,) = await until(app, app.world.waiting_steps)
            await without.wait_idle(timeout=TIMEOUT)
        assert (waiting.name, waiting.run_id) == ("step//./steps.py//unstable", run.id)
        assert waiting.snoozed.endswith(": it has no step//./steps.py//unstable")
        async with app.worker():
            assert await outcome(run) == 3
    assert await attempts(run) == [
        ("step_created", 0),
        ("step_retrying", 1),
        ("step_retrying", 2),
        ("step_completed", 3),
    ]


async def test_workflow_not_registered(stage: Stage) -> None:
    """Starting what is not there is refused, with a list of what is."""
    known = stage.full_name("fatal").rpartition("//")[2]
    with pytest.raises(WorkflowNotRegisteredError, match=known):
        await stage.app.start("add_eleven")


async def test_error_with_notes(stage: Stage) -> None:
    """Cause and notes of what a step raised reach who awaits the run, through the workflow."""
    error = (await failure(await stage.start("error_with_notes"))).__cause__
    assert name_of(error) == "StepError"
    raised = error.__cause__ if error is not None else None
    assert isinstance(raised, ValueError)
    assert raised.__notes__ == ["look in the drawer"]
    assert isinstance(raised.__cause__, LookupError)


async def test_suspension_cannot_be_swallowed(stage: Stage) -> None:
    """A run that falls asleep inside a handler of every error meets none."""
    run = await stage.start("swallowing")
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    assert await outcome(run) == []
