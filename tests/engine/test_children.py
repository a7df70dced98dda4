"""Runs that start runs: from workflow code and from steps, and how their ends reach those who wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.engine.family.application import app as application
from tests.engine.support import PATIENCE, TIMEOUT, has_event, keep_nothing, result, resumed
from torpor import RunHandle, Torpor, WorkerSettings, codec, ids
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import PLAIN
from torpor.codec.values import RunReference
from torpor.engine.attempts import Attempt
from torpor.engine.settings import TurnOptions
from torpor.engine.steps import Steps
from torpor.errors import EntityConflictError, HookNotFoundError, RunCancelledError, RunFailedError, StepError
from torpor.model import NOTHING, RunFilter, Runtime


@pytest.fixture
async def family(url: str, runtime: Runtime) -> AsyncIterator[Torpor]:
    """The application, open, on a world of its own, without a worker."""
    application.use_world(url)
    application.runtime = runtime
    application.settings = WorkerSettings(turns=4)
    async with application:
        yield application


@pytest.fixture
async def working(family: Torpor) -> AsyncIterator[Torpor]:
    """The application with a worker."""
    async with family.worker():
        yield family


def test_a_watching_hook_receives_null() -> None:
    """The worlds' own payload is what the codec writes for it."""
    assert codec.dumps(None) == NOTHING


async def test_an_imported_workflow_is_started(working: Torpor) -> None:
    """By the function itself; the handle tells id, status and result."""
    told = await result(working, "startsImported", [1, 2, 3])
    assert told == {"isRun": True, "runId": told["runId"], "sum": 6, "status": "completed"}
    assert (await working.run(told["runId"]).info()).workflow == "workflow//./flows/grandchildren.js//addAll"


@pytest.mark.parametrize("name", ["addAll", "workflow//./flows/grandchildren.js//addAll"])
async def test_a_workflow_is_started_by_name(working: Torpor, name: str) -> None:
    """The short one or the full one."""
    assert (await result(working, "startsByName", name, [4, 5]))[1] == 9


async def test_arguments_and_options_may_be_left_out(working: Torpor) -> None:
    """Options may also come second."""
    first, second, run_id = await result(working, "startsWithoutArguments")
    assert (first, second) == (0, 0)
    assert (await working.run(run_id).info()).runtime == "replay"


@pytest.mark.parametrize(
    "settings", [WorkerSettings(turns=2, steps=2), WorkerSettings(turns=1, steps=1, turn=TurnOptions(inline_steps=0))]
)
async def test_fibonacci_with_few_slots(family: Torpor, settings: WorkerSettings) -> None:
    """A waiting parent holds neither a worker nor a place of one: 25 runs end with two places, or a single one."""
    family.settings = settings
    async with family.worker():
        assert await result(family, "fibonacci", 6) == 8
        runs = await family.world.list_runs(RunFilter(limit=100))
        assert len(runs) == 25


async def test_parents_and_roots_are_kept(working: Torpor) -> None:
    """A child knows who started it and who began it all, whether workflow code or a step did it."""
    run = await working.start("fibonacci", 3)
    await run.result(timeout=TIMEOUT)
    runs = {row.id: row for row in await working.world.list_runs(RunFilter())}
    assert (runs[run.id].parent, runs[run.id].root) == ("", "")
    others = [row for row in runs.values() if row.id != run.id]
    assert {row.root for row in others} == {run.id}
    # fibonacci(3) starts two runs, of which one starts two more.
    parents = Counter(row.parent for row in others)
    assert parents.pop(run.id) == 2
    [(parent, count)] = parents.items()
    assert (runs[parent].parent, count) == (run.id, 2)


async def test_a_failed_child_throws(working: Torpor) -> None:
    """An error named RunFailedError, whose cause is what the child threw."""
    told = await result(working, "awaitsFailure")
    assert told["name"] == "RunFailedError"
    assert told["cause"] == ["RangeError", "not today"]
    assert told["status"] == "failed"
    assert "failed with USER_ERROR: RangeError: not today" in told["message"]


async def test_a_failure_passes_through_its_parents(working: Torpor) -> None:
    """What nobody catches keeps its class and its causes on the way out, and was tried once."""
    run = await working.start("passesFailureOn")
    with pytest.raises(RunFailedError) as caught:
        await run.result(timeout=TIMEOUT)
    inner = caught.value.__cause__
    assert isinstance(inner, RunFailedError)
    assert inner.run_id not in ("", run.id)
    assert "not today" in str(inner.__cause__)
    assert "step_retrying" not in [event.type for event in await run.events()]


async def test_a_child_is_cancelled(working: Torpor) -> None:
    """Twice is harmless, awaiting it throws RunCancelledError, and one that has ended otherwise cannot be cancelled."""
    status, name, message, other = await result(working, "cancelsItsChild", "t")
    assert (status, name, other) == ("cancelled", "RunCancelledError", "EntityConflictError")
    assert message.endswith("was cancelled: changed my mind")


async def test_children_are_independent(working: Torpor) -> None:
    """A child goes on when its parent has ended; it is cancelled with it."""
    child = working.run(await result(working, "outlives", "one"))
    await resumed(working, "one", 1)
    assert await child.result(timeout=TIMEOUT) == 1
    parent = await working.start("racesAChild", "two")
    await has_event(working, parent, "wait_completed")
    await parent.cancel()
    [orphan] = [run for run in await working.world.list_runs(RunFilter()) if run.parent == parent.id]
    with pytest.raises(RunCancelledError, match="the run that started it was cancelled"):
        await working.run(orphan.id).result(timeout=TIMEOUT)


async def test_a_child_may_lose_a_race_and_be_awaited_again(working: Torpor) -> None:
    """A handle waits once for the end, however often it is asked."""
    parent = await working.start("racesAChild", "t")
    await has_event(working, parent, "wait_completed")
    await resumed(working, "t", "late")
    assert await parent.result(timeout=TIMEOUT) == ["timer", "late"]
    watching = [event for event in await parent.events() if event.type == "hook_created" and event.ref]
    assert len(watching) == 1


async def test_a_run_that_has_ended_answers_at_once(working: Torpor) -> None:
    """Whoever asks, and without an end to be told of."""
    run = await working.start("startsByName", "addAll", [2])
    await run.result(timeout=TIMEOUT)
    assert await result(working, "awaitsRun", run.id) == ["ended", *2 * [await run.result()]]


async def test_a_run_that_does_not_exist_answers_at_once(working: Torpor) -> None:
    """With an error that names it."""
    name, message = await result(working, "awaitsRun", "wrun_nobody")
    assert name == "RunNotFoundError"
    assert "wrun_nobody" in message


@pytest.mark.parametrize(
    ("call", "name", "words"),
    [
        ("function", "TypeError", "is no workflow"),
        ("option", "TypeError", "there is no option deploymentId; there are runtime, runId"),
        ("unknown", "WorkflowNotRegisteredError", "no workflow is called 'nobody'"),
        ("runtime", "ConfigurationError", "use snapshot or replay"),
        ("own", "Error", "cannot wait for its own end"),
        ("handle", "TypeError", "is a string, not number"),
        ("value", "FatalError", "cannot be called"),
    ],
)
async def test_mistakes_are_told_at_once(working: Torpor, call: str, name: str, words: str) -> None:
    """By the class of the error and what to change, without a retry."""
    run_id = ids.fresh("wrun", working.clock.now())
    run = await working.start("refuses", {"call": call, "id": run_id}, run_id=run_id)
    told_name, message = await run.result(timeout=PATIENCE)
    assert told_name == name
    assert words in message
    assert "step_retrying" not in [event.type for event in await run.events()]


async def test_built_in_steps_are_not_listed_as_the_users_own(working: Torpor) -> None:
    """Messages name what an author can call."""
    assert not [name for name in working.step_names() if "//torpor//" in name]


async def test_handles_are_values(working: Torpor) -> None:
    """They pass to steps, from steps and out of the run, and are handles everywhere."""
    told = await result(working, "passesHandles")
    assert told["kind"] == "RunHandle"
    assert (told["sameId"], told["isRun"]) == (True, True)
    assert told["results"] == [3, 7, 7]
    assert isinstance(told["run"], RunHandle)
    assert await told["run"].result(timeout=TIMEOUT) == 3


async def test_a_run_started_by_a_step_has_a_parent(working: Torpor) -> None:
    """The run of the step, not the step."""
    run = await working.start("passesHandles")
    await run.result(timeout=TIMEOUT)
    children = [row for row in await working.world.list_runs(RunFilter()) if row.id != run.id]
    assert [(row.parent, row.root) for row in children] == 2 * [(run.id, run.id)]


async def test_a_run_started_by_nobody_has_no_parent(working: Torpor) -> None:
    """Also when a step's run lives in another world."""
    other = working.on("memory://")
    async with other:
        run = await other.start("addAll", [1])
        assert ((await run.info()).parent, (await run.info()).root) == ("", "")


async def test_a_step_that_is_tried_again_starts_once(working: Torpor) -> None:
    """An id that is a function of the step's is the same in each attempt."""
    run = await working.start("triesToStartTwice")
    child = await run.result(timeout=TIMEOUT)
    assert {row.id for row in await working.world.list_runs(RunFilter())} == {run.id, child}
    with pytest.raises(EntityConflictError):
        await working.start("addAll", [6], run_id=child)


async def test_an_attempt_that_was_not_told_starts_no_second_child(family: Torpor) -> None:
    """Also when the process of the next one writes the members of a set in another order."""
    steps = Steps(family.steps, family.clock, family.client.streams, keep_nothing)
    parent = await family.start("addAll", [1])
    step_id = ids.correlation("step", bytes(32), 1, family.clock.now())
    results = []
    for number, members in ((1, ["a", "b"]), (2, ["b", "a"])):
        given = codec.dumps({"args": ["addAll", [members], {}]})
        event = await steps.attempt(Attempt(parent.id, step_id, 1, "step//torpor//start", number, 0, given, PLAIN))
        assert event.type == "step_completed"
        results.append(codec.loads(event.payload or b""))
    steps.shutdown()
    assert results == 2 * [RunReference(ids.child(step_id))]
    assert len(await family.world.list_runs(RunFilter())) == 2


async def test_children_of_encrypted_runs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child have the same deployment key, and the world's word for an end, which is plain, is understood."""
    monkeypatch.setattr(application, "keyring", Keyring([bytes(32)]))
    application.use_world(url)
    async with application, application.worker():
        told = await result(application, "startsImported", [1, 2, 3])
        assert (told["sum"], told["status"]) == (6, "completed")
        runs = await application.world.list_runs(RunFilter())
        assert [run.key_id for run in runs] == 2 * [application.keyring.current]


async def test_many_children_at_once(working: Torpor) -> None:
    """All are started together and all their ends arrive."""
    assert await result(working, "manyChildren", 20) == sum(range(20)) + 20


async def test_an_end_that_is_awaited_cannot_be_forged(working: Torpor) -> None:
    """The hook that waits for it is told as such, and its token opens nothing."""
    parent = await working.start("startsByName", "waitsFor", "t")
    await has_event(working, parent, "hook_created")
    [hook] = (await working.world.open_entities(parent.id)).hooks.values()
    assert hook.token == f"$end:{hook.watch}"
    with pytest.raises(HookNotFoundError):
        await working.resume_hook(hook.token, None)
    await resumed(working, "t", "end")
    assert (await parent.result(timeout=TIMEOUT))[1] == "end"
    assert [event.type for event in await parent.events() if event.id == hook.id] == [
        "hook_created",
        "hook_received",
        "hook_disposed",
    ]


async def test_a_parent_that_lost_its_snapshot_is_rebuilt(working: Torpor) -> None:
    """From the log alone, and starts no second child."""
    parent = await working.start("startsByName", "waitsFor", "t")
    await has_event(working, parent, "hook_created")
    await working.world.delete_snapshot(parent.id)
    await resumed(working, "t", "end")
    assert (await parent.result(timeout=TIMEOUT))[1] == "end"
    assert len(await working.world.list_runs(RunFilter())) == 2


async def test_a_step_that_awaits_a_failed_run_fails(working: Torpor) -> None:
    """A step is told by the same classes as any other caller."""
    run = await working.start("waitsFor", "t")
    await run.cancel()
    with pytest.raises(RunCancelledError):
        await run.result(timeout=TIMEOUT)
    with pytest.raises(RunFailedError) as caught:
        await result(working, "stepAwaits", run.id)
    assert isinstance(caught.value.__cause__, StepError)
    assert isinstance(caught.value.__cause__.__cause__, RunCancelledError)
