"""Cancelling runs: their code is told, cleans up within a limit, and the run ends as cancelled."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tests.engine.support import until
from tests.semantics.steps import DIARIES
from tests.semantics.support import SECOND, Stage, kinds, outcome
from torpor import Cleanup, RunCancelledError, RunHandle
from torpor.errors import EntityConflictError, HookNotFoundError, UsageError

pytestmark = pytest.mark.asyncio(loop_scope="module")


def diary_of(stage: Stage, name: str) -> str:
    """Return the name of a diary that no other stage has."""
    return f"{name}-{stage.guest}-{stage.runtime}"


async def cancelled(run: RunHandle) -> RunCancelledError:
    """Wait for the end of a cancelled run."""
    with pytest.raises(RunCancelledError) as caught:
        await outcome(run)
    assert await run.status() == "cancelled"
    return caught.value


async def noted(stage: Stage, diary: str, text: str) -> None:
    """Return once a diary has a text."""

    async def there() -> bool:
        return text in DIARIES[diary]

    await until(stage.app, there)


async def test_cancel_run(stage: Stage) -> None:
    """The result of a cancelled run rejects with the reason, its hook is gone, and it cannot be cancelled twice."""
    token = diary_of(stage, "to-be-cancelled")
    run = await stage.start("waits_for", token)
    await stage.logged(run, "hook_created")
    await run.cancel("not needed any more")
    error = await cancelled(run)
    assert (error.run_id, error.reason) == (run.id, "not needed any more")
    assert "not needed any more" in str(error)
    with pytest.raises(HookNotFoundError):
        await stage.app.resume_hook(token)
    with pytest.raises(EntityConflictError, match="cancelled"):
        await run.cancel()


async def test_cancel_run_in_a_step(stage: Stage) -> None:
    """The step is given up, and nothing is written of it after that."""
    run = await stage.start("never_ends")
    await stage.logged(run, "step_created")
    await run.cancel()
    await cancelled(run)
    assert (await run.events())[-1].type == "run_cancelled"
    counts = await kinds(run)
    assert (counts["step_completed"], counts["step_cancelled"], counts["run_cancelling"]) == (0, 1, 1)


async def test_cleanup_runs_steps(stage: Stage) -> None:
    """What stands in ``finally`` is done: steps, and waiting."""
    diary = diary_of(stage, "cleanup")
    run = await stage.start("cleans_up", diary)
    await stage.logged(run, "wait_created")
    await run.cancel("enough")
    await stage.logged(run, "wait_created", 2)
    assert await run.status() == "running"
    stage.clock.put_forward(SECOND)
    await cancelled(run)
    assert DIARIES[diary] == ["released", "after a second"]


async def test_the_reason_reaches_the_code(stage: Stage) -> None:
    """As the error's message."""
    diary = diary_of(stage, "reason")
    run = await stage.start("cleans_up_in_catch", diary)
    await stage.logged(run, "hook_created")
    await run.cancel("wrong prices")
    assert (await cancelled(run)).reason == "wrong prices"
    assert DIARIES[diary] == ["wrong prices"]


async def test_helpers_clean_up(stage: Stage) -> None:
    """Functions that a ``finally`` calls may do as much as it may."""
    diary = diary_of(stage, "helper")
    run = await stage.start("cleans_up_by_helper", diary)
    await stage.logged(run, "step_created")
    await run.cancel()
    await cancelled(run)
    assert DIARIES[diary] == ["undone 0", "undone 1", "undone 2"]


async def test_several_clean_up_together(stage: Stage) -> None:
    """Each part of the workflow cleans up, and the whole after them."""
    diary = diary_of(stage, "together")
    run = await stage.start("cleans_up_together", diary)
    await stage.logged(run, "step_created", 2)
    await run.cancel()
    await cancelled(run)
    if stage.speaks_python:  # where who waits for several parts waits for all of them
        assert sorted(DIARIES[diary][:2]) == ["a", "b"]
    assert sorted(DIARIES[diary]) == ["a", "b", "c", "d"]


async def test_cleanup_by_signal(stage: Stage) -> None:
    """JavaScript has an AbortSignal of the run, and a scope that cleans up wherever it stands."""
    if stage.speaks_python:
        pytest.skip("Python has CancelledError")
    diary = diary_of(stage, "signal")
    run = await stage.start("cleans_up_by_signal", diary)
    await stage.logged(run, "wait_created")
    await run.cancel("stop")
    await cancelled(run)
    assert DIARIES[diary] == ["stop", "and more"]


async def test_cleanup_by_promise(stage: Stage) -> None:
    """Callbacks of ``promise.finally`` clean up too."""
    if stage.speaks_python:
        pytest.skip("Python has no such method")
    diary = diary_of(stage, "promise")
    run = await stage.start("cleans_up_by_promise", diary)
    await stage.logged(run, "wait_created")
    await run.cancel()
    await cancelled(run)
    assert DIARIES[diary] == ["released"]


async def test_cleanup_receives_messages(stage: Stage) -> None:
    """What stands in ``finally`` may wait for somebody's word, with a timeout or without."""
    diary = diary_of(stage, "message")
    run = await stage.start("cleans_up_by_message", diary)
    await stage.logged(run, "wait_created")
    await run.cancel()
    await stage.logged(run, "wait_created", 2)
    for word in ("yes", "really"):
        await run.send("confirmed", word)
        await noted(stage, diary, word)
    await cancelled(run)
    assert DIARIES[diary] == ["yes", "really"]


async def test_a_cleanup_that_has_begun_goes_on_receiving(stage: Stage) -> None:
    """A cancellation does not end what stands in ``cleanup(…)`` before it comes."""
    if stage.speaks_python:
        pytest.skip("in Python a cancellation interrupts what is not shielded from it")
    diary = diary_of(stage, "begun")
    run = await stage.start("has_begun_to_clean_up", diary)
    await stage.logged(run, "wait_created")
    await run.cancel()
    await stage.logged(run, "run_cancelling")
    for word in ("yes", "really"):
        await run.send("confirmed", word)
        await noted(stage, diary, word)
    await cancelled(run)
    assert DIARIES[diary] == ["yes", "really"]


async def test_who_swallows_it_meets_it_again(stage: Stage) -> None:
    """Code that goes on is stopped at its next wait, and where it does not clean up it gets nothing done."""
    diary = diary_of(stage, "swallow")
    run = await stage.start("swallows", diary)
    await stage.logged(run, "wait_created")
    await run.cancel()
    await cancelled(run)
    assert DIARIES[diary] == ["swallowed 0", "swallowed 1", "swallowed 2"]


async def test_who_swallows_it_and_returns_is_cancelled_all_the_same(stage: Stage) -> None:
    """A run that was cancelled has no result."""
    diary = diary_of(stage, "return")
    run = await stage.start("swallows_and_returns", diary)
    await stage.logged(run, "wait_created")
    await run.cancel()
    await cancelled(run)
    assert DIARIES[diary] == ["swallowed"]


async def test_an_error_of_the_cleanup_is_logged(stage: Stage) -> None:
    """The run ends as cancelled, and its log tells."""
    run = await stage.start("fails_in_cleanup")
    await stage.logged(run, "wait_created")
    await run.cancel()
    await cancelled(run)
    assert any("broken cleanup" in line.text and line.level == "error" for line in await run.logs())


async def test_the_time_of_the_cleanup_is_limited(stage: Stage) -> None:
    """When it is over the run ends, and its log says why."""
    diary = diary_of(stage, "for-ever")
    run = await stage.app.start(stage.full_name("cleans_up_for_ever"), diary, cleanup="2m")
    await stage.logged(run, "wait_created")
    await run.cancel()
    await noted(stage, diary, "begun")
    stage.clock.put_forward(121 * SECOND)
    await cancelled(run)
    assert DIARIES[diary] == ["begun"]
    assert any("its time was over" in line.text for line in await run.logs())


async def test_the_steps_of_the_cleanup_are_limited(stage: Stage) -> None:
    """The one too many is not begun."""
    diary = diary_of(stage, "many")
    run = await stage.app.start(stage.full_name("cleans_up_in_many_steps"), diary, cleanup=Cleanup(time="1h", steps=3))
    await stage.logged(run, "wait_created")
    await run.cancel()
    await cancelled(run)
    assert DIARIES[diary] == ["0", "1", "2"]
    assert any("more steps than it may have" in line.text for line in await run.logs())


async def test_force_ends_at_once(stage: Stage) -> None:
    """Nothing is cleaned up; also when it was asked to before."""
    diary = diary_of(stage, "force")
    run = await stage.start("cleans_up", diary)
    await stage.logged(run, "wait_created")
    await run.cancel("now", force=True)
    assert await run.status() == "cancelled"
    asked = await stage.start("cleans_up_for_ever", diary)
    await stage.logged(asked, "wait_created")
    await asked.cancel("gently")
    await noted(stage, diary, "begun")
    await asked.cancel("now", force=True)
    assert (await cancelled(asked)).reason == "now"
    assert DIARIES[diary] == ["begun"]


async def test_without_cleanup_it_ends_at_once(stage: Stage) -> None:
    """An application or a run may say so."""
    diary = diary_of(stage, "none")
    run = await stage.app.start(stage.full_name("cleans_up"), diary, cleanup=0)
    await stage.logged(run, "wait_created")
    await run.cancel()
    assert await run.status() == "cancelled"
    assert not DIARIES[diary]


async def test_asking_again_is_harmless(stage: Stage) -> None:
    """The first reason counts."""
    diary = diary_of(stage, "again")
    run = await stage.start("cleans_up_for_ever", diary)
    await stage.logged(run, "wait_created")
    await run.cancel("first")
    await run.cancel("second")
    await noted(stage, diary, "begun")
    await run.cancel()
    await run.cancel(force=True)
    assert (await cancelled(run)).reason == "first"
    assert (await kinds(run))["run_cancelling"] == 1


async def test_steps_that_run_are_told(stage: Stage) -> None:
    """An ``async def`` step is cancelled, a ``def`` step finds it in its metadata."""
    diary = diary_of(stage, "steps")
    run = await stage.start("waits_for_steps", diary)
    await stage.logged(run, "step_created", 2)
    await run.cancel()
    await cancelled(run)
    await noted(stage, diary, "cancelled")
    await noted(stage, diary, "told")
    assert [step.status for step in await run.steps()] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("detached", [False, True])
async def test_children_go_along(stage: Stage, detached: bool) -> None:
    """A run is cancelled with the one that started it, unless it is detached."""
    diary = diary_of(stage, f"child-{detached}")
    parent = await stage.start("parent_of", stage.full_name("cleans_up_in_catch"), diary, detached)
    child = stage.app.run(await outcome_of_echo(stage, parent))
    await stage.logged(child, "hook_created")
    await parent.cancel("parent is not needed")
    await cancelled(parent)
    if detached:
        assert await child.status() == "running"
        assert (await child.info()).parent == parent.id
        await child.cancel(force=True)
    else:
        assert (await cancelled(child)).reason == "the run that started it was cancelled"
        assert DIARIES[diary] == ["the run that started it was cancelled"]


async def outcome_of_echo(stage: Stage, parent: RunHandle) -> str:
    """Return the id of the run that a parent has started, which it has told by a step."""
    await stage.logged(parent, "hook_created")
    (child,) = [run.id for run in await stage.app.list_runs(limit=200) if run.parent == parent.id]
    return child


async def test_a_long_activation_is_cancelled_after_it(stage: Stage) -> None:
    """The request waits in the log until the VM comes back."""
    diary = diary_of(stage, "long")
    run = await stage.start("computes_long", diary, 300_000)
    await stage.logged(run, "hook_created")
    await asyncio.gather(stage.resume(diary), run.cancel("meanwhile"))
    await cancelled(run)
    assert DIARIES[diary] in (["released"], [])  # the request may have come before the payload


async def test_a_run_that_has_not_begun_ends_at_once(stage: Stage) -> None:
    """There is nothing to tell, and nothing to clean up."""
    diary = diary_of(stage, "not-begun")
    runs = [await stage.start("cleans_up", diary) for _ in range(3)]
    for run in runs:
        await run.cancel()
    for run in runs:
        await cancelled(run)


async def test_a_reason_is_limited(stage: Stage) -> None:
    """The refusal says how long it may be, and nothing is cancelled."""
    run = await stage.start("sleeping", "1y")
    with pytest.raises(UsageError, match="512"):
        await run.cancel("x" * 513)
    await run.cancel(force=True)


async def test_cancel_many(stage: Stage) -> None:
    """Several runs are cancelled by their ids, or by what they are; those that had ended are left alone."""
    ended = await stage.start("sleeping", 0)
    await ended.result()
    waiting = [await stage.start("sleeping", "1y") for _ in range(3)]
    for run in waiting:
        await stage.logged(run, "wait_created")
    done = await stage.app.cancel([ended.id, *(run.id for run in waiting)], "closing down")
    assert done == [run.id for run in waiting]
    for run in waiting:
        assert (await cancelled(run)).reason == "closing down"
    assert await ended.status() == "completed"


async def test_cancel_many_by_filter(stage: Stage) -> None:
    """All of a workflow that have not ended, and no others."""
    other = await stage.start("sleeping", "1y")
    many = [await stage.start("sleeps_in_a_crowd") for _ in range(60)]
    done = await stage.app.cancel_runs(workflow=stage.full_name("sleeps_in_a_crowd"), reason="crowded")
    assert set(done) == {run.id for run in many}
    for run in many:
        assert (await cancelled(run)).reason == "crowded"
    assert await other.status() in {"pending", "running"}
    with pytest.raises(UsageError, match="have ended"):
        await stage.app.cancel_runs(status="completed")
    await other.cancel(force=True)


async def test_cancel_by_cli(stage: Stage) -> None:
    """``torpor cancel`` asks the run to end, from another process, and the reason is told."""
    if not stage.app.world.capabilities.shared:
        pytest.skip("no other process can reach this world")
    run = await stage.start("sleeping", "1y")
    await stage.logged(run, "wait_created")
    command = [
        sys.executable,
        "-m",
        "torpor.cli",
        "cancel",
        run.id,
        "--reason",
        "by hand",
        "--world",
        stage.app.world.url,
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{run.id}\n"
    assert (await cancelled(run)).reason == "by hand"
