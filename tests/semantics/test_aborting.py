"""AbortController across the border: a signal that is passed to a step aborts there while the step runs."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.support import TIMEOUT
from tests.semantics.steps import gates
from tests.semantics.support import HOUR, Stage, outcome

pytestmark = pytest.mark.asyncio(loop_scope="module")


def unique(stage: Stage, what: str) -> str:
    """Return a name that no other stage has."""
    return f"{what}-{stage.guest}-{stage.runtime}"


async def test_abort_controller(stage: Stage) -> None:
    """The reason reaches running steps, in an ``async def`` and in a thread, once, whatever comes later."""
    name = unique(stage, "abort")
    run = await stage.start("abort_controller", name, name)
    await asyncio.wait_for(gates[name].reached.wait(), TIMEOUT)
    await stage.resume(name, {"by": "ann"})
    assert await outcome(run) == [True, {"by": "ann"}, {"by": "ann"}]
    assert [step.name for step in await run.steps()].count("step//torpor//abort") == 1


async def test_abort_expires(stage: Stage) -> None:
    """A signal with a time aborts when it is over, although the run sleeps."""
    run = await stage.start("abort_expires")
    await asyncio.wait_for(gates["expires"].reached.wait(), TIMEOUT)
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    reason, aborted = await outcome(run)
    assert ("due to timeout" in reason or "is over" in reason, aborted) == (True, True)


async def test_abort_again(stage: Stage) -> None:
    """Who comes later, as the next attempt does, is told what was told before."""
    name = unique(stage, "again")
    run = await stage.start("abort_again", name, name)
    await asyncio.wait_for(gates[name].reached.wait(), TIMEOUT)
    await stage.resume(name, "enough")
    assert await outcome(run) == [2, "enough"]


async def test_abort_before(stage: Stage) -> None:
    """A signal that has aborted before it is passed needs no telling."""
    run = await stage.start("abort_before")
    assert await outcome(run) == [True, "before"]
    assert len(await run.steps()) == 1
