"""Steps that belong to classes, and steps that carry something along."""

from __future__ import annotations

import pytest

from tests.semantics.support import Stage, outcome
from torpor.programs.catalogue import short_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_static_method_steps(stage: Stage) -> None:
    """A static method is a step of its class's; the step's name carries the class."""
    run = await stage.start("static_method_steps", 5)
    assert await outcome(run) == 10
    assert [short_name(step.name) for step in await run.steps()] == ["Till.price"]


async def test_sibling_static_steps(stage: Stage) -> None:
    """Methods of one name are told apart by their classes."""
    assert await stage.result("sibling_static_steps", 5) == [10, 15]


async def test_this_in_static_step(stage: Stage) -> None:
    """A class method gets the class that it is called on, also as a value; JavaScript names one by `.call`."""
    assert await stage.result("this_in_static_step", 5) == [["Till", 10], ["Market", 15], ["Market", 15]]


async def test_instance_method_steps(stage: Stage) -> None:
    """The object goes along, also when the method is a value; what a step returns has the steps of its class."""
    assert await stage.result("instance_method_steps", "a") == ["a: 6", "a: 10", ["a: 30", "a: 50"]]


async def test_step_with_closure(stage: Stage) -> None:
    """Workflow code may close over steps and variables; in JavaScript a step carries what is bound to it."""
    assert await stage.result("step_with_closure", 5) == [6, 15, 105]


async def test_closure_variables(stage: Stage) -> None:
    """Functions that call steps read and write variables around them, before and after waits."""
    assert await stage.result("closure_variables", 5) == [[1, 2, 3], 30]


async def test_methods_as_values(stage: Stage) -> None:
    """The method of one object is a value that carries the object: into a step, back from it, and out of one."""
    assert await stage.result("methods_as_values", "a") == [f"a: {3 * by}" for by in range(2, 8)]
