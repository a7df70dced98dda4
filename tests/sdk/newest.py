"""Cases of the SDK's newest suite, and those that look at more than what a workflow returns."""

from __future__ import annotations

import pytest

from tests.sdk.cases import CASES, LEFT_OUT, NEWER, case, waiting
from tests.sdk.setting import SECONDS_MAX, Setting
from torpor import RunCancelledError, Torpor
from torpor.codec.crypto.keys import Keyring, generate
from torpor.errors import WorkflowNotRegisteredError

__all__ = ["CASES", "LEFT_OUT", "NEWER"]

SECRET = "nobody reads this at rest"  # what a workflow is given


@case("stepFunctionPassingWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("stepAsArgument")
    assert await run.result(timeout=SECONDS_MAX) == 40
    assert [event.type for event in await run.events()].count("step_completed") == 1


@case("metadataFromHelperWorkflow")
async def _(to: Setting) -> None:
    run = await to.start("metadata")
    assert (await run.result(timeout=SECONDS_MAX))["helper"] == run.id


@case("workflow not registered")
async def _(to: Setting) -> None:
    with pytest.raises(WorkflowNotRegisteredError, match="nowhere"):
        await to.start("nowhere")


@case("cancelReason")
async def _(to: Setting) -> None:
    run = await to.start("longSleep")
    await to.until(lambda: waiting(run))
    await run.cancel("no longer wanted")
    with pytest.raises(RunCancelledError, match="no longer wanted"):
        await run.result(timeout=SECONDS_MAX)


@case("bulk cancel")
async def _(to: Setting) -> None:
    runs = [await to.start("longSleep") for _ in range(3)]
    assert set(await to.app.cancel([run.id for run in runs])) == {run.id for run in runs}
    for run in runs:
        with pytest.raises(RunCancelledError):
            await run.result(timeout=SECONDS_MAX)


@case("a hook and a sleep race, in either order")
async def _(to: Setting) -> None:
    token = to.fresh("first")
    by_sleep, by_hook = await to.start("expiring", to.fresh("late"), "50ms"), await to.start("expiring", token, "1 day")
    await to.resume(token, {"reason": "told"})
    for run, expired in ((by_sleep, True), (by_hook, False)):
        [told] = [message async for message in run.stream()]
        assert told["expired"] is expired
        await run.result(timeout=SECONDS_MAX)


@case("encryption: what is at rest is unreadable, what is passed is not")
async def _(to: Setting) -> None:
    keys = Keyring([generate()])
    app = Torpor("memory://", root=to.app.root, runtime=to.app.runtime, keys=keys)
    app.sdk(".")
    async with app, app.worker():
        run = await app.start("echoed", SECRET)
        assert await run.result(timeout=SECONDS_MAX) == SECRET
        stored = [event.payload for event in await app.world.events(run.id) if event.payload]
        assert len(stored) >= 4  # arguments, two results, the end
        assert not any(SECRET.encode() in payload for payload in stored)
