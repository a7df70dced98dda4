"""The guests' codecs where they belong: in QuickJS, with the extension libraries that it has there, and in CPython."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.codec import classes_of_an_application
from tests.codec.classes_of_an_application import Color, Doubled, Frozen, OutOfStockError
from tests.codec.corpus import (
    BUILT_IN,
    CYCLES,
    HANDLES,
    HANDLES_THAT_THE_SDK_MISTAKES,
    NESTED,
    NOT_KEPT_BY_PYTHON,
    OF_THE_SDK,
    PLAIN,
    SPARSE,
)
from tests.codec.node import Node
from tests.codec.sameness import is_same
from torpor import codec
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.programs.python.finding import Finder
from torpor.programs.python.pydantic import pydantic_package
from torpor.vm.guest import Begin, Guest, Outbox, Program

FLOW = "export async function echo(value) { return value; }"
PYTHON_FLOW = """
import tests.codec.classes_of_an_application

from torpor.codec.guest import text_of, value_of

async def echo(value):
    return value

async def change(model):
    model.number = 5
    return model

async def rewrite(texts):
    return [text_of(value_of(text)) for text in texts]
"""
CLASSES = "tests.codec.classes_of_an_application"
# The test's own class and step functions do not exist in the program.
OF_THE_TEST = ("Point", "stepFunction")

BUNDLED = ("attr", "attrs")
"""Packages that the classes need, and the guest does not carry."""

BATCH = 200

Echo = Callable[[str], Outbox]


@pytest.fixture(scope="module")
def echo() -> Echo:
    """Return what runs a workflow that reads an argument list and writes its first member."""
    guest = QuickJS()
    program = Program("quickjs", guest.build, {"flow.js": FLOW}, ["flow.js"], {"echo": ("flow.js", "echo")})
    return runner(guest, program)


@pytest.fixture(scope="module")
def python_echo() -> Echo:
    """Return the same for a workflow in Python, which has the application's classes."""
    return python_runner("echo")


def python_runner(workflow: str) -> Echo:
    """Return what runs a workflow of the Python program."""
    guest = CPython()
    source = Path(classes_of_an_application.__file__).read_text("utf-8")
    pydantic = pydantic_package()
    files = {"./flow.py": PYTHON_FLOW, "./classes.py": source} | pydantic.files
    modules = {"flow": "./flow.py", CLASSES: "./classes.py"} | pydantic.modules
    finder = Finder(Path(), BUNDLED)
    for bundled in (source for package in BUNDLED for source in finder.bundled(package)):
        files[bundled.label] = bundled.path.read_text("utf-8")
        modules[bundled.name] = bundled.label
    program = Program("cpython", guest.build, files, ["flow"], {workflow: ("flow", workflow)}, modules=modules)
    return runner(guest, program)


def runner(guest: Guest, program: Program) -> Echo:
    """Return what runs the one workflow of a program in a VM of its own."""
    image = guest.load(program)
    [workflow] = program.workflows

    def run(args: str) -> Outbox:
        vm = guest.lease(image)
        try:
            return vm.begin(Begin("wrun_1", workflow, args, bytes(32), 1_700_000_000_000))
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
    outbox = echo(codec.unpack_devalue(codec.dumps([value])))

    assert outbox.value is not None
    assert is_same(codec.loads(codec.pack_devalue(outbox.value)), value)


def test_an_exception_goes_through_quickjs(echo: Echo) -> None:
    """Class, attributes and traceback text."""
    outbox = echo(codec.unpack_devalue(codec.dumps([OutOfStockError("a", left=2)])))

    assert outbox.value is not None
    read: Any = codec.loads(codec.pack_devalue(outbox.value))
    assert (type(read), read.sku, read.left) == (OutOfStockError, "a", 2)


def test_deep_nesting_does_not_overflow_the_stack_of_quickjs(echo: Echo) -> None:
    """Nine thousand arrays inside one another are read and written."""
    value: list[Any] = []
    for _ in range(9_000):
        value = [value]

    outbox = echo(codec.unpack_devalue(codec.dumps([value])))

    assert outbox.value == codec.unpack_devalue(codec.dumps(value))


def test_a_text_that_cannot_be_read_fails_the_run(echo: Echo) -> None:
    """The error says what is wrong with it."""
    outbox = echo('devl[[1],["Nothing",2],5]')

    assert outbox.status == "failed"
    assert outbox.error is not None
    assert 'a "Nothing", which this version cannot read' in str(codec.loads(codec.pack_devalue(outbox.error)))


def test_thousands_of_values_go_through_quickjs(echo: Echo, many_values: list[Any]) -> None:
    """The guest reads and writes what the host does, to the byte."""
    for at in range(0, len(many_values), BATCH):
        values = many_values[at : at + BATCH]

        outbox = echo(codec.unpack_devalue(codec.dumps([values])))

        assert outbox.value == codec.unpack_devalue(codec.dumps(values))


@pytest.mark.parametrize("text", [*HANDLES, *HANDLES_THAT_THE_SDK_MISTAKES])
def test_handles_go_through_quickjs(echo: Echo, text: str) -> None:
    """They come out as they went in."""
    handle = codec.loads(codec.pack_devalue(f"devl{text}"))

    outbox = echo(codec.unpack_devalue(codec.dumps([handle])))

    assert outbox.value == f"devl{text}"


# ── CPython ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "expression",
    [it for it in [*PLAIN, *BUILT_IN, *OF_THE_SDK, *NESTED, *CYCLES] if it not in NOT_KEPT_BY_PYTHON],
)
def test_cpython_writes_what_node_writes(python_echo: Echo, node: Node, expression: str) -> None:
    """A value of JavaScript goes through the VM without a change."""
    args, value = node("write", f"[{expression}]"), node("write", expression)

    outbox = python_echo(args)

    assert (outbox.status, outbox.value) == ("completed", value)


def test_thousands_of_values_go_through_cpython(many_values: list[Any]) -> None:
    """The guest writes what the host does; each by itself, since which equal values are one object is the version's."""
    rewrite = python_runner("rewrite")
    for at in range(0, len(many_values), BATCH):
        texts = [codec.unpack_devalue(codec.dumps(value)) for value in many_values[at : at + BATCH]]

        outbox = rewrite(codec.unpack_devalue(codec.dumps([texts])))

        again = codec.loads(codec.pack_devalue(outbox.value or ""))
        # Lone surrogates are escaped where a text becomes bytes.
        assert [codec.unpack_devalue(codec.pack_devalue(text)) for text in again] == texts


@pytest.mark.parametrize("text", [*HANDLES, *HANDLES_THAT_THE_SDK_MISTAKES])
def test_handles_go_through_cpython(python_echo: Echo, text: str) -> None:
    """They come out as they went in."""
    handle = codec.loads(codec.pack_devalue(f"devl{text}"))

    outbox = python_echo(codec.unpack_devalue(codec.dumps([handle])))

    assert outbox.value == f"devl{text}"


def test_a_thousand_levels_go_through_cpython(python_echo: Echo) -> None:
    """Lists, tuples and dicts inside one another; the workflow's own recursion limit does not matter."""
    value: Any = None
    for _ in range(1_000):
        value = [({"inner": value},)]

    outbox = python_echo(codec.unpack_devalue(codec.dumps([value])))

    assert outbox.value == codec.unpack_devalue(codec.dumps(value))


@pytest.mark.parametrize(("workflow", "number"), [("echo", 2), ("change", 5)])
def test_a_model_goes_through_a_workflow_without_being_validated_again(workflow: str, number: int) -> None:
    """Its validator doubles what it gets; what a workflow assigns to a field is left as pydantic leaves it."""
    outbox = python_runner(workflow)(codec.unpack_devalue(codec.dumps([Doubled(number=1)])))

    assert codec.loads(codec.pack_devalue(outbox.value or "")).number == number


def test_a_model_that_was_in_javascript_is_validated_again(echo: Echo) -> None:
    """Nobody can tell what was done to it there."""
    outbox = echo(codec.unpack_devalue(codec.dumps([Doubled(number=1)])))

    assert codec.loads(codec.pack_devalue(outbox.value or "")).number == 4
