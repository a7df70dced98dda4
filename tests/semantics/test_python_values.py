"""Types, exceptions and models that cross between Python workflows and steps, and keep what they are."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from tests.engine.support import TIMEOUT
from tests.semantics.python_flows.models import Basket, Bill, Line
from tests.semantics.python_flows.shapes import Colour, Item, Order, Quote, StockError, VeryStockError
from tests.semantics.python_flows.typed import VALUES, prices
from tests.semantics.support import Stage, outcome, stack_of
from torpor import RunFailedError

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("guest", ["cpython"], scope="module")]


@pytest.mark.parametrize("name", VALUES)
async def test_types_cross(stage: Stage, name: str) -> None:
    """A value is the same on the step's side and after it came back, and as the result of the run."""
    told = await stage.result("crosses", name)
    value = VALUES[name]()
    assert told["same"] == {"type outside": True, "type": True, "value": True}
    assert told["it"] == value
    assert type(told["it"]) is type(value)


async def test_keywords_and_defaults(stage: Stage) -> None:
    """Runs and steps are called with keywords and defaults like any function, here by the function itself."""
    order = Order("o-1", [Item("lamp", Decimal("9.90"))])
    run = await stage.app.start(prices, order, rebate=Decimal("0.10"), colour=Colour.BLUE)
    quoted = await run.result(timeout=TIMEOUT)
    assert quoted == Quote(Order("o-1", [*order.items, Item("bag", Decimal("0.20"), Colour.BLUE)]), Decimal("10.00"))
    assert len(order.items) == 1
    plain = await (await stage.app.start(prices, order)).result(timeout=TIMEOUT)
    assert plain.total == Decimal("9.10")


async def test_cross_context_class(stage: Stage) -> None:
    """An instance of a class that only the steps' module imports is one in the workflow, too, with its methods."""
    assert await stage.result("ships") == ["Parcel", "lamp + bag + bow", 3]


async def test_own_errors_of_steps(stage: Stage) -> None:
    """An error class of the application's own comes into the workflow with facts, notes, cause and traceback."""
    told = await stage.result("catches_own_error")
    traceback = told.pop("told")
    assert told == {
        "class": True,
        "facts": ["lamp", 2],
        "message": "only 2 of lamp left",
        "notes": ["ordered on a Sunday"],
        "cause": "KeyError('lamp')",
    }
    assert re.search(r"python_flows/raising\.py\", line \d+, in runs_out", traceback)
    assert re.search(r"python_flows/raising\.py\", line \d+, in catches_own_error", traceback)


async def test_groups_of_steps(stage: Stage) -> None:
    """The ExceptionGroup of a step keeps its members; their errno is the guest's, where ENOENT is 44."""
    stock, missing = await stage.result("catches_group")
    assert stock == "StockError('only 0 of lamp left')"
    assert missing == "FileNotFoundError(44, 'no such file')"


async def test_own_errors_of_workflows(stage: Stage) -> None:
    """What a workflow raises is the cause of RunFailedError, as it was; its traceback shows the chain of awaits."""
    run = await stage.start("raises_own_error")
    with pytest.raises(RunFailedError, match="only 1 of lamp left") as failed:
        await outcome(run)
    error = failed.value.__cause__
    assert type(error) is StockError
    assert (error.item, error.left, error.__notes__) == ("lamp", 1, ["from the workflow"])
    assert isinstance(error.__cause__, RuntimeError)
    assert stack_of(error.__cause__).count("in awaits_deeply") == 4
    assert "_guest" not in stack_of(error.__cause__)


async def test_groups_of_workflows(stage: Stage) -> None:
    """The group that a TaskGroup raises comes out with all that is in it."""
    run = await stage.start("raises_group")
    with pytest.raises(RunFailedError) as failed:
        await outcome(run)
    group = failed.value.__cause__
    assert isinstance(group, ExceptionGroup)
    told = [type(error.__cause__ or error) for error in group.exceptions]
    assert VeryStockError in told or RuntimeError in told


async def test_models(stage: Stage) -> None:
    """A model is validated on the step's side, and has its attributes and model_dump in the workflow."""
    assert await stage.result("pays", "500") == {
        "customer": "ada",
        "total": 500,
        "dump": {"basket": {"customer": "ada", "lines": [{"name": "lamp", "cents": 500}]}, "total": 500},
    }


async def test_models_that_are_not_valid(stage: Stage) -> None:
    """What the model's class does not take fails the step, not the worker."""
    run = await stage.start("pays", -1)
    with pytest.raises(RunFailedError, match="greater than 0"):
        await outcome(run)


async def test_models_of_runs(stage: Stage) -> None:
    """A run takes and returns models."""
    billed = await stage.result("takes_and_returns", Basket(customer="ada", lines=[Line(name="lamp", cents=5)]))
    assert isinstance(billed, Bill)
    assert billed.total == 25
