"""Steps that run at the same time."""

from __future__ import annotations

import pytest

from tests.semantics.support import Stage, kinds, outcome

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_promise_all(stage: Stage) -> None:
    """Results come in the order of the calls."""
    assert await stage.result("promise_all") == "ABC"


async def test_promise_race(stage: Stage) -> None:
    """The fastest wins, and the run ends without the others."""
    run = await stage.start("promise_race")
    assert await outcome(run) == "fastest"
    assert (await kinds(run))["step_completed"] == 1


async def test_promise_any(stage: Stage) -> None:
    """The first success wins though another step fails."""
    assert await stage.result("promise_any") == "first success"


async def test_promise_race_stress(stage: Stage) -> None:
    """A loop that races five steps gets each of them once."""
    assert sorted(await stage.result("promise_race_stress")) == [0, 1, 2, 3, 4]


async def test_fan_out(stage: Stage) -> None:
    """More steps than run inline at once all give their results."""
    run = await stage.start("fan_out", 150)
    assert await outcome(run) == sum(range(1, 151))
    assert (await kinds(run))["step_completed"] == 150


async def test_one_of_many_fails(stage: Stage) -> None:
    """The failure of one of several awaited steps is raised at once, though another never ends."""
    assert "failed after 2 attempts: ValueError: cannot" in await stage.result("one_of_many_fails")
