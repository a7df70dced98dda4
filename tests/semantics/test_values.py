"""Values that cross between workflows and steps."""

from __future__ import annotations

import pytest

from tests.semantics.support import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_arguments_are_passed_by_value(stage: Stage) -> None:
    """What a step returns is a copy: changing it does not change what was given."""
    assert await stage.result("by_value") == [[1], [1, 2]]


async def test_custom_serialization(stage: Stage) -> None:
    """An instance of the workflow's own class comes back from a step as an instance."""
    assert await stage.result("custom_serialization", 3, 4) == [True, 7]


async def test_step_as_argument(stage: Stage) -> None:
    """A step that is given to a step is a plain function there."""
    assert await stage.result("step_as_argument", 3, 4) == 7


async def test_step_as_result(stage: Stage) -> None:
    """A step that comes back from a step can be called."""
    assert await stage.result("step_as_result", 3, 4) == 7


@pytest.mark.parametrize("guest", ["quickjs"], scope="module")
async def test_call_and_apply(stage: Stage) -> None:
    """A step is a function: it can be called, applied and bound, and comes back with what is bound to it."""
    assert await stage.result("call_and_apply") == [3, 7, 11, 12]
