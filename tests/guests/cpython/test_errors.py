"""How a Python run ends: with its result, or with what was raised."""

from __future__ import annotations

import errno
from contextlib import suppress
from decimal import Decimal

import pytest

from tests.guests.cpython.conftest import LABEL, Author, first_argument
from torpor.codec.errors import PythonError, traceback_text
from torpor.errors import ConfigurationError, FatalError, GuestTrapError, SerializationError, VmError


def test_the_result(author: Author) -> None:
    """What the function returns is the run's result, with Python's own types."""
    run = author.body("return (1, {2}, Decimal('1.5'))", before="from decimal import Decimal\n").begin()

    assert run.value == (1, {2}, Decimal("1.5"))


def test_arguments(author: Author) -> None:
    """Positional and keyword arguments arrive as they were given."""
    from torpor.codec.values import Kwargs  # noqa: PLC0415  # only this test speaks of them

    run = author.body("return [a, b, c]", parameters="a, b=2, *, c=3").begin(1, Kwargs(c=4))

    assert run.value == [1, 2, 4]


def test_arguments_that_do_not_fit(author: Author) -> None:
    """A call that Python refuses fails the run with Python's own words."""
    failure = author.body("return a", parameters="a").begin().failure

    assert isinstance(failure, TypeError)
    assert "missing 1 required positional argument: 'a'" in str(failure)


def test_a_sync_function_may_be_a_workflow(author: Author) -> None:
    """A workflow that waits for nothing need not be async."""
    assert author.run(author.load("def main(x): return x + 1")).begin(1).value == 2


@pytest.mark.parametrize(
    "name",
    ["ENOENT", "ECONNREFUSED", "EPIPE", "EAGAIN", "ETIMEDOUT", "EDEADLK", "ENOTSUP", "EHOSTDOWN", "ETIME", "EUCLEAN"],
)
def test_system_errors_have_the_vms_numbers_inside_and_this_systems_outside(author: Author, name: str) -> None:
    """So that ``errno.ENOENT`` is right on both sides; the class is the same."""
    number = getattr(errno, name)
    body = f"""
    import errno
    try:
        await charge(1)
    except OSError as error:
        made = OSError(errno.{name}, "mine")
        if error.errno != errno.{name} or type(error) is not type(made):
            raise ValueError(error.errno) from None
        raise made from error
    """
    failure = author.body(body).begin().fail(1, OSError(number, "yours")).failure

    for error in (failure, failure.__cause__):
        assert type(error) is type(OSError(number, ""))
        assert error.errno == number


def test_a_long_chain_of_exceptions(author: Author) -> None:
    """Each is told once, so that a chain of a thousand takes no noticeable time."""
    body = "error = None\nfor n in range(1000):\n    error = chained(ValueError(n), error)\nraise error"
    before = "def chained(error, cause):\n    error.__cause__ = cause\n    return error\n"
    failure = author.body(body, before=before).begin().failure

    depth = 0
    while failure is not None:
        failure, depth = failure.__cause__, depth + 1
    assert depth == 1000


def test_a_fault_is_told_with_its_place(author: Author) -> None:
    """Workflow code that spoils the guest fails its own run, and the error says where the guest stumbled."""
    run = author.body("import json\njson.dumps = None\nreturn 1")

    with pytest.raises(GuestTrapError, match=r"main\.py:\d+ in _outbox\nTypeError: 'NoneType' object is not callable"):
        run.begin()


@pytest.mark.parametrize(
    "request_",
    ["b'T' + (2**62).to_bytes(8, 'little')", "b'X'", "b''", "b'A' + bytes(4)", "b'R' + bytes(10**7)", "b'Odamage'"],
)
def test_a_run_that_meddles_harms_no_other(author: Author, request_: str) -> None:
    """Whatever host calls workflow code makes and whatever it does to modules, the next run of its program is well."""
    body = f"""
        import _host, json
        seen.append(1)
        if meddle:
            json.loads = asyncio.sleep = None
            _host.call({request_})
        await charge(len(seen))
        return len(seen)
    """
    first = author.body(body, before="seen = []\n", parameters="meddle")
    with suppress(VmError):
        first.begin(True)
        first.complete(1)
    first.vm.release()
    second = author.run(first.image).begin(False)

    assert second.complete(1).value == 1


def test_form_feeds_end_no_line(author: Author) -> None:
    """Tracebacks show the right lines of files that have form feeds and the like."""
    failure = author.body("x = 1\n\f\ny = '\u2028'\n1 / 0").begin().failure

    assert "1 / 0" in traceback_text(failure)


def test_an_uncaught_exception(author: Author) -> None:
    """It keeps class, message, notes and cause, and the author's lines."""
    failure = (
        author.body("""
        try:
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise LookupError("no such order") from error
        except LookupError as error:
            error.add_note("order 7")
            raise
        """)
        .begin()
        .failure
    )

    assert isinstance(failure, LookupError)
    assert isinstance(failure.__cause__, ZeroDivisionError)
    assert failure.__notes__ == ["order 7"]
    assert traceback_text(failure).splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "./app.py", line 15, in main',
        '    raise LookupError("no such order") from error',
    ]


def test_a_class_of_the_authors(author: Author) -> None:
    """A class that the reader has not loaded comes back with its name."""
    failure = author.body("raise OutOfStock('x')", before="class OutOfStock(Exception): pass\n").begin().failure

    assert isinstance(failure, PythonError)
    assert (failure.path, failure.message) == ("app:OutOfStock", "x")


def test_a_group(author: Author) -> None:
    """Members of a group have tracebacks of their own."""
    run = author.body(
        "async with asyncio.TaskGroup() as g:\n    g.create_task(boom(1)); g.create_task(boom(2))",
        before="async def boom(n): raise ValueError(n)\n",
    ).begin()

    assert [str(member) for member in run.failure.exceptions] == ["1", "2"]
    assert all('File "./app.py", line 9, in boom' in traceback_text(member) for member in run.failure.exceptions)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()"])
@pytest.mark.parametrize("where", ["raise {}", "asyncio.create_task(boom()); await asyncio.sleep(1)"])
def test_exits_fail_the_run(author: Author, raised: str, where: str) -> None:
    """What ends a process ends only the run, from a background task too (where asyncio lets it through)."""
    run = author.body(where.format(raised), before=f"async def boom(): raise {raised}\n").begin()

    if "Generator" in raised and "boom" in where:
        assert run.status == "pending"
    else:
        assert run.failure.name == raised.partition("(")[0]


def test_cancelling_the_workflow_from_inside(author: Author) -> None:
    """A CancelledError that nothing catches is a failure that says so."""
    failure = author.body("asyncio.current_task().cancel(); await asyncio.sleep(1)").begin().failure

    assert "was cancelled from inside the workflow" in str(failure)


def test_a_result_that_cannot_be_stored(author: Author) -> None:
    """The failure names the workflow, the path and the type."""
    failure = author.body("return {'f': open}").begin().failure

    assert isinstance(failure, SerializationError)
    assert str(failure).startswith("the result of main cannot be stored: .f is a function")


def test_an_error_with_arguments_that_cannot_be_stored(author: Author) -> None:
    """The failure is stored without them."""
    failure = author.body("raise ValueError('bad', print)").begin().failure

    assert isinstance(failure, ValueError)
    assert "bad" in str(failure)


def test_fatal_error_is_torpors_own(author: Author) -> None:
    """The class is the same on both sides."""
    assert isinstance(author.body("raise FatalError('no')").begin().failure, FatalError)


def test_syntax_errors_name_the_place(author: Author) -> None:
    """A program that does not compile is refused with file and line."""
    with pytest.raises(ConfigurationError, match=r'(?s)SyntaxError.*File "\./app\.py", line 2'):
        author.load("async def main():\n    return (\n")


def test_module_errors_name_the_place(author: Author) -> None:
    """A program whose modules raise is refused with the author's frames alone."""
    with pytest.raises(ConfigurationError) as caught:
        author.load("def f():\n    1 / 0\nf()\n")

    assert 'File "./app.py", line 3, in <module>' in str(caught.value)
    assert "<torpor>" not in str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_missing_workflow(author: Author) -> None:
    """A program whose module lacks the workflow is refused."""
    with pytest.raises(ConfigurationError, match="module app defines no main"):
        author.load("x = 1\n")


def test_a_run_of_a_program_that_only_fails_sometimes(author: Author) -> None:
    """A program that is evaluated per run may fail then; the VM is given up."""
    text = "import time\nif time.time() == 1_700_000_000.001: 1 / 0\nasync def main(): ...\n"
    image = author.load(text)
    assert image.per_run == f"{LABEL}:2"
    run = author.run(image)
    from torpor.vm.guest import Begin  # noqa: PLC0415  # only this test begins at another time

    with pytest.raises(GuestTrapError, match="ZeroDivisionError"):
        run.vm.begin(Begin("wrun_1", next(iter(image.program.workflows)), "devl[[]]", bytes(32), 1_700_000_000_001))


def test_own_classes_keep_their_types(author: Author) -> None:
    """Dataclasses and enums of the program go out and come in as what they are."""
    run = author.body(
        "order = await charge(Order(Kind.A, 2)); return [type(order).__name__, order.kind is Kind.A, order.n]",
        before="""
        from dataclasses import dataclass
        from enum import Enum
        class Kind(Enum):
            A = 1
        @dataclass
        class Order:
            kind: Kind
            n: int
        """,
    ).begin()
    text = run.ops[0].input or ""
    assert "app:Order" in text
    run.deliver(run.event("step_completed", 1, value=first_argument(text)))

    assert run.value == ["Order", True, 2]


def test_a_guest_that_breaks_is_not_taken_for_pending(author: Author) -> None:
    """If the outcome itself cannot be written, the VM has failed, and the run does not wait for ever."""
    run = author.body("import torpor._guest.outcome as outcome; outcome.text_of = None")

    with pytest.raises(GuestTrapError):
        run.begin()
