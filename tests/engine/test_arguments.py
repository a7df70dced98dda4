"""What a step is called with: arguments by position and by name, as its annotations want them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.engine.support import keep_nothing
from torpor import RunHandle, Torpor
from torpor.clock import SystemClock
from torpor.codec import register
from torpor.codec.crypto.run_codec import PLAIN
from torpor.codec.values import RunReference, StepFunction
from torpor.engine.attempts import Attempt
from torpor.engine.steps import Steps
from torpor.errors import FatalError, SerializationError
from torpor.limits import OFF_LOOP_BYTES
from torpor.model import Event

app = Torpor("memory://")


@dataclass
class Order:
    """What JavaScript passes as an object."""

    sku: str
    price: Decimal
    when: date | None = None


@app.step(max_retries=5)
async def total(order: Order, *more: Decimal, discount: Decimal = Decimal(0)) -> Decimal:
    """Return a sum of Decimals."""
    return sum(more, order.price) - discount


@app.step(name="in_a_thread")
def in_a_thread(orders: list[Order], *, when: date) -> list[Order]:
    """Return orders with a date."""
    return [Order(order.sku, order.price, when) for order in orders]


@app.step
async def handed(what: Any) -> Any:
    """Return what it was given, and what that was."""
    return [what, what is total, type(what).__name__]


@app.step
async def called(function: Any, *args: Any) -> Any:
    """Return what a function that was given returns."""
    return await function(*args)


@app.step
async def shared(one: list[int], other: list[int]) -> bool:
    """Tell whether two arguments are one object."""
    return one is other


@app.step(max_retries=5)
async def unstorable() -> dict[str, Any]:
    """Return what cannot be stored."""
    return {"rows": [print]}


class Traveller:
    """Knows in which threads it was read and written."""

    def __init__(self, luggage: str, read_in: int = 0) -> None:
        self.luggage = luggage
        self.read_in = read_in


written_in: list[int] = []


def _written(traveller: Traveller) -> str:
    written_in.append(threading.get_ident())
    return traveller.luggage


register(Traveller, _written, lambda luggage: Traveller(luggage, threading.get_ident()))


@app.step
async def forwarded(traveller: Traveller) -> list[Any]:
    """Return the thread in which the argument was read, and the argument."""
    return [traveller.read_in, traveller]


@pytest.fixture
def steps() -> Iterator[Steps]:
    """Return what makes attempts."""
    made = Steps(app.steps, SystemClock(), app.client.streams, keep_nothing, threads=1)
    yield made
    made.shutdown()


async def attempted(steps: Steps, name: str, args: list[Any], kwargs: dict[str, Any] | None = None) -> Event:
    """Make the first attempt of a step."""
    full = next(each for each in app.step_names() if each.endswith(f"//{name}"))
    step_input = {"args": args} | ({} if kwargs is None else {"kwargs": kwargs})
    return await steps.attempt(Attempt("wrun_1", "step_1", 1, full, 1, 0, PLAIN.dumps(step_input), PLAIN))


async def result(steps: Steps, name: str, args: list[Any], kwargs: dict[str, Any] | None = None) -> Any:
    """Return what a step returned."""
    event = await attempted(steps, name, args, kwargs)
    assert event.type == "step_completed", PLAIN.loads(event.payload or b"")
    return PLAIN.loads(event.payload or b"")


async def test_arguments_go_by_position_and_by_name(steps: Steps) -> None:
    """A Python workflow calls as Python does."""
    order = Order("a", Decimal(5))

    assert await result(steps, "total", [order, Decimal(1)], {"discount": Decimal(2)}) == Decimal(4)


async def test_plain_objects_become_what_is_declared(steps: Steps) -> None:
    """JavaScript passes objects, numbers and texts."""
    assert await result(steps, "total", [{"sku": "a", "price": "5"}, 1, 0.5]) == Decimal("6.5")


async def test_a_step_in_a_thread_gets_the_same(steps: Steps) -> None:
    """Containers of records, and keyword-only parameters."""
    got = await result(steps, "in_a_thread", [[{"sku": "a", "price": 1}]], {"when": "2024-05-06"})

    assert got == [Order("a", Decimal(1), date(2024, 5, 6))]


@pytest.mark.parametrize("size", [1000, OFF_LOOP_BYTES + 1])
async def test_large_arguments_and_results_are_left_to_a_thread(steps: Steps, size: int) -> None:
    """What would hold the event loop up is read and written elsewhere; what is small is not sent around."""
    written_in.clear()
    read_in, back = await result(steps, "forwarded", [Traveller("x" * size)])
    here = threading.get_ident()

    assert back.luggage == "x" * size
    assert (read_in == here) is (size < OFF_LOOP_BYTES)
    assert (written_in[-1] == here) is (size < OFF_LOOP_BYTES)


async def test_what_fits_is_not_copied(steps: Steps) -> None:
    """Two arguments that were one object still are."""
    numbers = [1, 2]

    assert await result(steps, "shared", [numbers, numbers]) is True


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ([{"sku": "a"}], r"step step//.*//total, argument 'order': expected Order, found dict .*'price' is missing"),
        ([Order("a", Decimal(1)), "x"], r"argument 'more'\[0\]: expected a Decimal or its text, found str 'x'"),
        ([], r"step step//.*//total was called with 0 arguments: missing a required argument: 'order'"),
    ],
)
async def test_arguments_that_do_not_fit_are_fatal(steps: Steps, args: list[Any], complaint: str) -> None:
    """Another attempt would be called with the same."""
    event = await attempted(steps, "total", args)

    assert event.type == "step_failed"
    with pytest.raises(FatalError, match=complaint):
        raise PLAIN.loads(event.payload or b"")


async def test_a_step_given_as_a_value_is_the_registered_function(steps: Steps) -> None:
    """And is written as the step again."""
    what, is_total, _ = await result(steps, "handed", [total])

    assert is_total
    assert isinstance(what, StepFunction)
    assert what.step_id.endswith("//total")


async def test_arguments_that_are_bound_to_a_step_come_with_it(steps: Steps) -> None:
    """What JavaScript makes with ``charge.bind(null, …)`` can be called in a step."""
    reference = StepFunction(total.__torpor_step_id__, {"boundArgs": [Order("s", Decimal(2))]})  # type: ignore[attr-defined]  # every step has it

    assert await result(steps, "called", [reference, Decimal(3)]) == 5


async def test_a_run_given_as_a_value_is_a_handle(steps: Steps) -> None:
    """And is written as the run again."""
    what, _, kind = await result(steps, "handed", [RunReference("wrun_1")])

    assert kind == RunHandle.__name__
    assert what == RunReference("wrun_1")


async def test_a_result_that_cannot_be_stored_is_told(steps: Steps) -> None:
    """Whose it is, where in it, and what to do; it is not retried."""
    event = await attempted(steps, "unstorable", [])

    assert event.type == "step_failed"
    told = r"^the result of step .*//unstorable cannot be stored: \.rows\[0\] is a builtin_function_or_method"
    with pytest.raises(SerializationError, match=told):
        raise PLAIN.loads(event.payload or b"")
