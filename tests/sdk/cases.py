"""
The SDK's end-to-end cases, by their names there, with what each asserts. The workflows are in ``project/``.

A case that is about a bundler, a host framework or the SDK's own tools is in :data:`LEFT_OUT`, with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from tests.sdk.setting import SECONDS_MAX, Setting, now_ms
from torpor import RunCancelledError, RunFailedError
from torpor.errors import HookConflictError, HookNotFoundError

Case = Callable[[Setting], Awaitable[None]]

CASES: dict[str, Case] = {}

NEWER = (
    "stepFunctionAsStartArgWorkflow",
    "fibonacciWorkflow",
    "writable forwarded to child runs",
    "abort reaches a running step",
    "abort by a step",
    "attributes",
)
"""Cases of what version 4 of the SDK lacks."""

LEFT_OUT = {
    "pages router addTenWorkflow": "about Next.js",
    "pages router promiseAllWorkflow": "about Next.js",
    "pages router sleepingWorkflow": "about Next.js",
    "V2 inline-execution invocation counts": "counts the SDK's own HTTP deliveries, of which there are none",
    "health check of the flow and step endpoints": "run apart, through torpor-world, by test_world.py",
    "inspect by the SDK's command line": "run apart, through torpor-world, by test_world.py",
    "cancelRun via CLI": "run apart, through torpor-world, by test_world.py",
    "resilient start": "about a queue that takes a run which storage has refused; a start is one commit here",
}


def case(name: str) -> Callable[[Case], Case]:
    """Give a case its name in the SDK's suite."""

    def add(made: Case) -> Case:
        CASES[name] = made
        return made

    return add


def returns(name: str, workflow: str, *args: Any, expected: Any) -> None:
    """Add a case of which all is said by what a workflow returns."""

    async def run(to: Setting) -> None:
        found = await to.result(workflow, *args)
        assert found == expected, found

    CASES[name] = run


returns("addTenWorkflow", "workflow//./workflows/basics//addTen", 123, expected=133)
returns("addTenWorkflow in 98_duplicate_case", "workflow//./workflows/duplicate//addTen", 123, expected=1133)
returns("wellKnownAgentWorkflow", "agent", 5, expected=11)
returns("should work with react rendering in step", "rendered", expected="<div>hello world <!-- -->2</div>")
returns("promiseAllWorkflow", "all", expected="ABC")
returns("promiseRaceWorkflow", "race", expected="B")
returns("promiseAnyWorkflow", "any", expected="B")
returns("importedStepOnlyWorkflow", "importedStep", expected="from a file of steps")
returns("nullByteWorkflow", "nullByte", expected="null byte \0")
returns("pathsAliasWorkflow", "pathsAlias", expected="found by an alias")
returns("sleep grammar", "sleepingInWords", expected="slept")
returns(
    "sleepWithSequentialStepsWorkflow",
    "sleepWithSequentialSteps",
    expected={"a": 3, "b": 6, "c": 10, "shouldCancel": False},
)
returns("process.env allow-list", "environment", expected=["yes", None, True])
returns("stepDirectCallWorkflow", "calledDirectly", 4, expected=8)
returns("importMetaUrlWorkflow", "importMeta", expected=True)
returns("FatalError can be caught and detected", "fatalCaught", expected=[True, True, "fatal on purpose"])
returns("stepFunctionWithClosureWorkflow", "stepWithClosure", expected="Wrapped: Result: 21")
returns("closureVariableWorkflow", "closure", 7, expected="Result: 21")
returns("stepFunctionAsStartArgWorkflow", "stepAsStartArgument", expected=[8, 8, 16])
returns("Calculator.calculate", "Calculator.calculate", 5, 3, expected=16)
returns("AllInOneService.processNumber", "AllInOne.process", 10, expected=50)
returns("ChainableService.processWithThis", "Chainable.process", 5, expected=[50, 100, 150])
returns("thisSerializationWorkflow", "callAndApply", 10, expected=300)
returns("customSerializationWorkflow", "customSerialization", 3, 4, expected=[True, 6, 8, 10])
returns("crossContextSerdeWorkflow", "crossContext", expected=[4, 6])
returns("fibonacciWorkflow", "fibonacci", 6, expected=8)
returns("readableStreamWorkflow", "readable", expected="".join(f"{n}\n" for n in range(10)))
returns("abort reaches a running step", "aborted", expected="enough")
returns("abort by a step", "abortedByStep", expected=["from a step", True])


@case("promiseRaceStressTestWorkflow")
async def _(to: Setting) -> None:
    assert sorted(await to.result("raceStress")) == [0, 1, 2, 3, 4]


@case("hookWorkflow")
async def _(to: Setting) -> None:
    token = to.fresh("hook")
    run = await to.start("hook", token, "data")
    for n, message in enumerate(("one", "two", "three")):
        await to.resume(token, {"message": message, "done": n == 2})
    found = await run.result(timeout=SECONDS_MAX)
    assert [payload["message"] for payload in found] == ["one", "two", "three"]
    assert all(payload["customData"] == "data" for payload in found)
    with pytest.raises(HookNotFoundError):
        await to.app.get_hook(to.fresh("unknown"))


@case("hookWorkflow metadata is looked up by token")
async def _(to: Setting) -> None:
    token = to.fresh("hook")
    run = await to.start("hook", token, "data")

    async def look() -> Any:
        try:
            return await to.app.get_hook(token)
        except HookNotFoundError:
            return None

    hook = await to.until(look)
    assert hook.metadata == {"customData": "data"}
    assert hook.run.id == run.id
    await to.resume(token, {"message": "only", "done": True})
    await run.result(timeout=SECONDS_MAX)


@case("hookWorkflow is not resumable via public webhook endpoint")
async def _(to: Setting) -> None:
    token = to.fresh("private")
    run = await to.start("cleanedUp", token)
    await to.until(lambda: waiting(run))
    refused = await to.http.post(f"/.well-known/workflow/v1/webhook/{token}", json={"n": 1})
    assert refused.status_code == 404
    await to.resume(token, {"n": 2})
    assert await run.result(timeout=SECONDS_MAX) == {"n": 2}


@case("webhookWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("webhooks")
    plain, fixed, manual = await told_urls(to, run)
    answers = [await to.http.post(url, content=f"body {n}") for n, url in enumerate((plain, fixed, manual))]
    told = [(answer.status_code, answer.text) for answer in answers]
    assert told == [
        (202, ""),
        (402, "Hello from static response!"),
        (200, "Hello from webhook!"),
    ], told
    found = await run.result(timeout=SECONDS_MAX)
    assert [seen["url"] for seen in found] == [plain, fixed, manual]
    assert {seen["method"] for seen in found} == {"POST"}
    assert [seen["body"] for seen in found] == ["body 0", "body 1", ""]


@case("webhook body is read in the workflow")
async def _(to: Setting) -> None:
    run = await to.start("bodyInWorkflow")
    [url] = await told_urls(to, run)
    await to.http.post(url, json={"n": 17})
    assert await run.result(timeout=SECONDS_MAX) == {"n": 17}


@case("webhook route with invalid token")
async def _(to: Setting) -> None:
    refused = await to.http.post("/.well-known/workflow/v1/webhook/nobody", content=b"x")
    assert (refused.status_code, refused.content) == (404, b"")


@case("sleepingWorkflow")
async def _(to: Setting) -> None:
    begun = now_ms()
    assert await to.result("sleeping", 300) >= 300
    assert now_ms() - begun >= 300


@case("parallelSleepWorkflow")
async def _(to: Setting) -> None:
    assert 1000 <= await to.result("parallelSleep") < 10_000


@case("sleepInLoopWorkflow")
async def _(to: Setting) -> None:
    gaps = await to.result("sleepInLoop")
    assert len(gaps) == 3
    assert min(gaps) >= 60


@case("workflowAndStepMetadataWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("metadata")
    found = await run.result(timeout=SECONDS_MAX)
    assert found["here"] == found["workflow"]
    assert found["here"]["url"] == to.url
    assert found["here"]["workflowRunId"] == run.id == found["helper"]
    step = found["step"]
    assert set(step) == {"stepName", "stepId", "stepStartedAt", "attempt"}
    assert step["stepName"] == "step//./workflows/basics//metadataInStep"
    assert isinstance(step["stepStartedAt"], datetime)
    assert step["attempt"] == 1


@case("fetchWorkflow")
async def _(to: Setting) -> None:
    status, document = await to.result("fetched", f"{to.url}/health")
    assert status == 200
    assert isinstance(document, dict)


@case("nested function calls preserve message and stack trace")
async def _(to: Setting) -> None:
    error = await failure(to, "nested")
    assert "nested failure" in str(error.__cause__)
    check_stack(error.__cause__, "errorNested3", "errorNested2", "errorNested1", "./workflows/errors.ts:")


@case("cross-file imports preserve message and stack trace")
async def _(to: Setting) -> None:
    error = await failure(to, "acrossFiles")
    assert "failed across files" in str(error.__cause__)
    check_stack(error.__cause__, "innerFailure", "outerFailure", "./helpers/failing.ts:", "./workflows/errors.ts:")


@case("basic step error preserves message and stack trace")
async def _(to: Setting) -> None:
    run = await to.start("stepErrorCaught")
    found = await run.result(timeout=SECONDS_MAX)
    assert found["is"]
    assert "the step has failed" in found["message"]
    assert "failsPlainly" in found["stack"]
    assert [step.status for step in await run.steps()] == ["failed"]


@case("cross-file step error preserves message and function names in stack")
async def _(to: Setting) -> None:
    found = await to.result("stepErrorAcrossFiles")
    assert "failed across files" in found["message"]
    for name in ("innerFailure", "outerFailure", "failing.ts"):
        assert name in found["stack"], found["stack"]


@case("regular Error retries until success")
async def _(to: Setting) -> None:
    run = await to.start("retried")
    assert await run.result(timeout=SECONDS_MAX) == 3
    assert [step.attempt for step in await run.steps()] == [3]


@case("FatalError fails immediately without retries")
async def _(to: Setting) -> None:
    await failed_at_once(to, "fatal", "fatal on purpose")


@case("RetryableError respects custom retryAfter delay")
async def _(to: Setting) -> None:
    attempt, elapsed, since_first = await to.result("retryAfter")
    assert attempt == 2
    assert elapsed >= 400
    assert since_first >= 400  # when a step has begun is the same for all of its attempts


@case("maxRetries=0 disables retries")
async def _(to: Setting) -> None:
    await failed_at_once(to, "noRetries", "attempt 1")


@case("retries that are used up")
async def _(to: Setting) -> None:
    found = await to.result("exhausted")
    assert found["fatal"]
    assert "failed after 1 retry: out of range" in found["message"]


@case("hookCleanupTestWorkflow")
async def _(to: Setting) -> None:
    token = to.fresh("reused")
    for n in (1, 2):
        run = await to.start("cleanedUp", token)
        await to.resume(token, {"n": n})
        assert await run.result(timeout=SECONDS_MAX) == {"n": n}


@case("concurrent hook token conflict")
async def _(to: Setting) -> None:
    token = to.fresh("taken")
    first = await to.start("cleanedUp", token)
    await to.until(lambda: waiting(first))
    error = await failure(to, "cleanedUp", token)
    assert isinstance(error.__cause__, HookConflictError)
    assert "already in use by another workflow" in str(error)
    assert await to.result("conflict", token) == first.id
    await to.resume(token, {"n": 1})
    assert await first.result(timeout=SECONDS_MAX) == {"n": 1}


@case("hookDisposeTestWorkflow")
async def _(to: Setting) -> None:
    token = to.fresh("disposed")
    first = await to.start("disposed", token)
    await to.resume(token, {"n": 1})
    await to.until(lambda: asleep(first))
    second = await to.start("cleanedUp", token)
    await to.resume(token, {"n": 2})
    assert await second.result(timeout=SECONDS_MAX) == {"n": 2}
    await first.wake_up()
    assert await first.result(timeout=SECONDS_MAX) == {"n": 1}


@case("hookWithSleepWorkflow")
async def _(to: Setting) -> None:
    token = to.fresh("beside")
    run = await to.start("withSleep", token)
    for n in (1, 2, 3):
        await to.resume(token, {"n": n, "done": n == 3})
    assert await run.result(timeout=SECONDS_MAX) == [2, 4, 6]


@case("distributedAbortController")
async def _(to: Setting) -> None:
    token = to.fresh("controller")
    expired, aborted = await to.start("expiring", to.fresh("idle"), "50ms"), await to.start("expiring", token, "1 day")
    await to.resume(token, {"reason": "manual"})
    assert [message async for message in aborted.stream()] == [{"type": "abort", "reason": "manual", "expired": False}]
    assert [message async for message in expired.stream()] == [
        {"type": "abort", "reason": "Controller expired", "expired": True}
    ]


@case("spawnWorkflowFromStepWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("spawnFromStep", 42)
    found = await run.result(timeout=SECONDS_MAX)
    assert found["result"] == {"childResult": 84, "originalValue": 42}
    child = await to.app.run(found["runId"]).info()
    assert (child.name, child.parent, child.status) == ("child", run.id, "completed")


@case("instanceMethodStepWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("instanceMethods", 5)
    assert await run.result(timeout=SECONDS_MAX) == [15, 25, {"label": "counts", "value": 5}, 2]
    names = [step.name for step in await run.steps()]
    assert len(names) == 4
    assert all("Counter#" in name for name in names), names


@case("cancelRun")
async def _(to: Setting) -> None:
    run = await to.start("longSleep")
    await to.until(lambda: waiting(run))
    await run.cancel("no longer wanted")
    with pytest.raises(RunCancelledError):
        await run.result(timeout=SECONDS_MAX)
    assert await run.status() == "cancelled"


@case("wakeUp")
async def _(to: Setting) -> None:
    run = await to.start("longSleep")
    await to.until(lambda: waiting(run))
    assert len(await run.wake_up()) == 1
    assert await run.result(timeout=SECONDS_MAX) == "slept"


@case("outputStreamWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("output")
    assert [value async for value in run.stream()] == ["one", {"two": 2}, "three"]
    assert [value async for value in run.stream("named")] == ["elsewhere"]
    assert [value async for value in run.stream(start=1)] == [{"two": 2}, "three"]
    assert [value async for value in run.stream(start=-1)] == ["three"]
    assert await run.stream().tail_index() == 2
    page = await run.stream().page(start=1, limit=1)
    assert [chunk.value for chunk in page.chunks] == [{"two": 2}]
    assert page.next == 2


@case("outputStreamInsideStepWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("outputInside")
    assert [value async for value in run.stream()] == ["from within"]


@case("a stream that a workflow returns")
async def _(to: Setting) -> None:
    stream = await to.result("returnedStream")
    assert b"".join([chunk async for chunk in stream]) == b"".join(b"%d\n" % n for n in range(10))


@case("writable forwarded to child runs")
async def _(to: Setting) -> None:
    run = await to.start("forwarded")
    assert [value async for value in run.stream()] == ["by the child"]


@case("attributes")
async def _(to: Setting) -> None:
    run = await to.start("attributed")
    await run.result(timeout=SECONDS_MAX)
    attributes = (await run.info()).attributes
    assert {name: attributes.get(name) for name in ("customer", "gone", "step")} == {
        "customer": "c-17",
        "gone": None,
        "step": "s-1",
    }


@case("step not registered")
async def _(to: Setting) -> None:
    error = await failure(to, "missingStep")
    assert "is not registered" in str(error)


@case("arguments that cannot be serialized")
async def _(to: Setting) -> None:
    assert ".args[0].function" in await to.result("unserializable")


async def waiting(run: Any) -> Any:
    """Return what a run waits for outside, None while it does not."""
    return (await run.info()).waits_for or None


async def asleep(run: Any) -> Any:
    """Return the wait of a run that sleeps, None while it does not."""
    return next((each for each in (await run.info()).waits_for if each.kind == "timer"), None)


async def told_urls(to: Setting, run: Any) -> list[str]:
    """Return the addresses that a run's first step was given."""

    async def look() -> Any:
        steps = [step for step in await run.steps() if step.status == "completed"]
        return steps[0] if steps else None

    await to.until(look)
    events = [event for event in await run.events() if event.type == "step_completed"]
    urls: list[str] = to.app.keyring.run(run.id, "").loads(events[0].payload or b"")
    return urls


async def failure(to: Setting, workflow: str, *args: Any) -> RunFailedError:
    """Return how a run fails."""
    with pytest.raises(RunFailedError) as raised:
        await to.result(workflow, *args)
    assert raised.value.failure == "USER_ERROR"
    return raised.value


async def failed_at_once(to: Setting, workflow: str, message: str) -> None:
    """Check that a run's only step has failed at its first attempt, and the run with it."""
    run = await to.start(workflow)
    with pytest.raises(RunFailedError) as raised:
        await run.result(timeout=SECONDS_MAX)
    assert message in str(raised.value)
    assert [(step.status, step.attempt) for step in await run.steps()] == [("failed", 1)]


def check_stack(error: BaseException | None, *parts: str) -> None:
    """Check that an error's stack, as JavaScript tells it, has these parts in this order."""
    at = 0
    stack = str(getattr(error, "stack", ""))
    for part in parts:
        found = stack.find(part, at if part.startswith("error") else 0)
        assert found >= 0, f"{part} is not in its place in {stack!r}"
        at = found
    assert "bundle.js" not in stack
