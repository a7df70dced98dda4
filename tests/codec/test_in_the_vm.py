"""The guest's codec where it belongs: in QuickJS, with the extension libraries that it finds there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.codec.classes_of_an_application import Color, Frozen, OutOfStockError
from tests.codec.corpus import BUILT_IN, CYCLES, NESTED, OF_THE_SDK, PLAIN, SPARSE
from tests.codec.node import Node
from tests.codec.sameness import is_same
from torpor import codec
from torpor.vm.guest import Begin, Outbox, Program
from torpor.vm.quickjs import QuickJS

FLOW = "export async function echo(value) { return value; }"
# The test's own class and step functions do not exist in the program.
OF_THE_TEST = ("Point", "stepFunction")

Echo = Callable[[str], Outbox]


@pytest.fixture(scope="module")
def echo() -> Echo:
    """Return what runs a workflow that reads an argument list and writes its first member."""
    guest = QuickJS()
    image = guest.load(Program("quickjs", guest.build, {"flow.js": FLOW}, ["flow.js"], {"echo": ("flow.js", "echo")}))

    def run(args: str) -> Outbox:
        vm = guest.lease(image)
        try:
            return vm.begin(Begin("wrun_1", "echo", args, bytes(32), 1_700_000_000_000))
        finally:
            vm.release()

    return run


@pytest.mark.parametrize(
    "expression",
    [
        expression
        for expression in [*PLAIN, *SPARSE, *BUILT_IN, *OF_THE_SDK, *NESTED, *CYCLES]
        if not any(name in expression for name in OF_THE_TEST)
    ],
)
def test_quickjs_writes_what_node_writes(echo: Echo, node: Node, expression: str) -> None:
    """A value of JavaScript goes through the VM without a change."""
    args, value = node("write", f"[{expression}]"), node("write", expression)

    outbox = echo(args)

    assert (outbox.status, outbox.value) == ("completed", value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 1.5, "é<\u2028\ud800", None, True, 2**70]},
        (1, (2, {"x"}), {3: b"\0\xff"}),
        datetime(2024, 1, 1, 2, 3, 4, 5_000, tzinfo=UTC),
        datetime(2024, 1, 1, 2, 3, 4, 5_001, tzinfo=UTC),
        [Decimal("1.10"), Color.RED, Frozen(1, [2])],
    ],
    ids=repr,
)
def test_a_value_of_python_goes_through_quickjs(echo: Echo, value: object) -> None:
    """It comes out with its type."""
    outbox = echo(codec.text_of(codec.dumps([value])))

    assert outbox.value is not None
    assert is_same(codec.loads(codec.from_text(outbox.value)), value)


def test_an_exception_goes_through_quickjs(echo: Echo) -> None:
    """Class, attributes and traceback text."""
    outbox = echo(codec.text_of(codec.dumps([OutOfStockError("a", left=2)])))

    assert outbox.value is not None
    read: Any = codec.loads(codec.from_text(outbox.value))
    assert (type(read), read.sku, read.left) == (OutOfStockError, "a", 2)


def test_deep_nesting_does_not_overflow_the_stack_of_quickjs(echo: Echo) -> None:
    """Nine thousand arrays inside one another are read and written."""
    value: list[Any] = []
    for _ in range(9_000):
        value = [value]

    outbox = echo(codec.text_of(codec.dumps([value])))

    assert outbox.value == codec.text_of(codec.dumps(value))


def test_a_text_that_cannot_be_read_fails_the_run(echo: Echo) -> None:
    """The error says what is wrong with it."""
    outbox = echo('devl[[1],["Nothing",2],5]')

    assert outbox.status == "failed"
    assert outbox.error is not None
    assert 'a "Nothing", which this version cannot read' in str(codec.loads(codec.from_text(outbox.error)))
