"""Steps as Python workflow code sees them."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import BEGAN_AT, Author, first_argument, value_of
from torpor.codec.errors import traceback_text
from torpor.codec.values import StepFunction
from torpor.errors import FatalError, StepError


def failed_step() -> ValueError:
    """Return an exception as a step raises it, with its traceback."""
    try:
        raise ValueError("card declined")
    except ValueError as error:
        return error


def test_await_asks_for_the_step(author: Author) -> None:
    """A call is an op with the step's name and its arguments, keywords apart."""
    run = author.body("return await charge(1, 'a', cents=4200)").begin()

    (op,) = run.ops
    assert (op.n, op.type, op.name, op.at) == (1, "step", "step//./app.py//charge", BEGAN_AT)
    assert run.inputs() == [{"args": [1, "a"], "kwargs": {"cents": 4200}}]
    assert run.complete(1, {"ok": True}).value == {"ok": True}


def test_no_keywords_are_no_kwargs(author: Author) -> None:
    """An input holds kwargs only if there are any."""
    assert author.body("await charge()").begin().inputs() == [{"args": []}]


def test_a_call_does_nothing_before_it_is_awaited(author: Author) -> None:
    """As with every coroutine; and who forgets to await is told so in the log."""
    run = author.body("charge(1); await ship(2)").begin()

    assert [op.name for op in run.ops] == ["step//./app.py//ship"]
    assert any("coroutine 'charge' was never awaited" in line for line in run.lines)


@pytest.mark.parametrize(
    "call",
    [
        "partial(charge, 1)(2, z=3)",
        "partial(partial(charge, 1), z=3)(2)",
        "at_module_level(2, z=3)",
        "partial(Shop.price, 1)(2, z=3)",
        "asyncio.create_task(partial(charge, 1, z=3)(2))",
        "asyncio.gather(*map(partial(charge, 1, z=3), [2]))",
        "partial(asyncio.wait_for, timeout=9)(charge(1, 2, z=3))",
        "Shop().later(2)",
    ],
)
def test_a_partial_of_a_step_calls_it(author: Author, call: str) -> None:
    """Wherever it is made, and however it is called."""
    before = """
    from functools import partial, partialmethod
    at_module_level = partial(charge, 1)
    class Shop:
        price = staticmethod(charge)
        async def cheap(self, *args, **kwargs): return await charge(*args, **kwargs)
        later = partialmethod(cheap, 1, z=3)
    """
    run = author.body(f"return await {call}", before=before).begin()

    (step,) = [op for op in run.ops if op.type == "step"]
    assert step.input is not None
    assert value_of(step.input) == {"args": [1, 2], "kwargs": {"z": 3}}
    assert run.complete(1, "ok").value in ("ok", ["ok"])


def test_sequential_steps_survive_sleep(author: Author) -> None:
    """Each result leads to the next step, whichever VM the run wakes in."""
    run = author.body("a = await charge(1); b = await ship(a); return [a, b]").begin()
    run.park().complete(1, "r")
    assert run.inputs()[1] == {"args": ["r"]}

    assert run.park().complete(2, "s").value == ["r", "s"]


def test_a_step_error_is_raised_where_the_step_is_awaited(author: Author) -> None:
    """It is caught by its own class."""
    run = author.body(
        """
        try:
            await charge(1)
        except ValueError as error:
            return str(error)
        """
    ).begin()

    assert run.fail(1, failed_step()).value == "card declined"


def test_an_error_tells_the_whole_way(author: Author) -> None:
    """The traceback has the author's lines, the chain of awaits, and the step's own traceback."""
    run = author.body(
        "await outer()",
        before="""
        async def outer():
            await inner()
        async def inner():
            await charge(1)
        """,
    ).begin()
    text = traceback_text(run.fail(1, failed_step()).failure)

    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line.startswith("await")] == ["await outer()", "await inner()", "await charge(1)"]
    assert 'raise ValueError("card declined")' in lines
    assert "<torpor>" not in text
    assert lines.index("await charge(1)") < lines.index("In the step:")


def test_a_step_error_keeps_its_cause(author: Author) -> None:
    """What a step raised after its last retry carries the last error."""
    error = StepError("step charge failed after 4 attempts: ValueError: card declined")
    error.__cause__ = failed_step()
    failure = author.body("await charge(1)").begin().fail(1, error).failure

    assert isinstance(failure, StepError)
    assert isinstance(failure.__cause__, ValueError)


@pytest.mark.parametrize(
    "body",
    [
        "await charge(1)",
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(charge(1))
        """,
    ],
)
def test_a_step_error_tells_where_the_step_failed(author: Author, body: str) -> None:
    """The step's own traceback is in the text of its StepError, also inside a group."""
    error = StepError("step charge failed after 4 attempts: ValueError: card declined")
    error.__cause__ = failed_step()
    text = traceback_text(author.body(body).begin().fail(1, error).failure)

    assert text.count('raise ValueError("card declined")') == 1
    assert text.index("StepError: step charge failed") < text.index("In the step:")


def test_arguments_that_cannot_be_stored_are_fatal(author: Author) -> None:
    """The error names the step and the path of the argument, and nothing is asked for."""
    run = author.body("await charge({'callback': lambda: 1})").begin()

    assert run.ops == []
    assert isinstance(run.failure, FatalError)
    assert "step//./app.py//charge" in str(run.failure)
    assert ".args[0].callback" in str(run.failure)


def test_a_damaged_result_is_raised(author: Author) -> None:
    """A result that cannot be read says whose it was."""
    run = author.body("await charge(1)").begin()
    run.deliver(run.event("step_completed", 1, value="devl[[7]]"))

    assert "charge" in "".join(getattr(run.failure, "__notes__", ()))


def test_steps_are_values(author: Author) -> None:
    """A step travels as a reference and comes back as what can be awaited."""
    run = author.body("step = await charge(ship); return await step(2)").begin()
    (argument,) = run.inputs()[0]["args"]
    assert argument == StepFunction("step//./app.py//ship")

    run.complete(1, argument)
    assert run.ops[1].name == "step//./app.py//ship"
    assert run.complete(2, "done").value == "done"


def test_a_bound_step_keeps_what_it_carries(author: Author) -> None:
    """Bound arguments, receiver and closure of a JavaScript step go along with the call, and with the value."""
    bound = StepFunction("step//./a.js//f", {"closureVars": {"k": 1}, "boundThis": "me", "boundArgs": [1]})
    run = author.body("await step(2); return step", parameters="step").begin(bound)

    assert run.inputs() == [{"args": [1, 2], "closureVars": {"k": 1}, "thisVal": "me"}]
    assert run.complete(1).value == bound


def test_options_go_along_with_a_call(author: Author) -> None:
    """Later ones are added; without any the input is as ever, and a proxy with options keeps its name."""
    run = author.body(
        """
        careful = charge.with_options(max_retries=1, timeout="30s", never_retry=KeyError)
        await careful(1)
        await careful.with_options(timeout=None, backoff=Backoff(first=1))(2, gift=True)
        await charge.with_options()(3)
        return careful.__name__, careful
        """,
        before="from torpor import Backoff\n",
    ).begin()
    name, step = run.complete(1).park().complete(2).complete(3).value

    careful = {"maxRetries": 1, "timeoutMs": 30_000, "neverRetry": ["builtins:KeyError"]}
    backoff = {"firstMs": 1000, "factor": 2.0, "mostMs": 60_000.0}
    assert run.inputs() == [
        {"args": [1], "options": careful},
        {"args": [2], "kwargs": {"gift": True}, "options": careful | {"timeoutMs": None, "backoff": backoff}},
        {"args": [3]},
    ]
    assert (name, step) == ("charge", StepFunction("step//./app.py//charge", {"options": careful}))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("max_retry=1", "with_options: there is no option max_retry; there are max_retries, timeout"),
        ("timeout='soon'", "timeout of a step: duration 'soon' is not understood"),
    ],
)
def test_options_that_there_are_not(author: Author, options: str, told: str) -> None:
    """They are told where they are written."""
    run = author.body(f"await charge.with_options({options})(1)").begin()

    assert told in str(run.failure)
    assert run.ops == []


def test_options_take_errors_that_the_guest_lacks(author: Author) -> None:
    """The class is known by its path, and a worker that may raise it has it."""
    text = "from requests import Timeout\n"
    run = author.body(
        "await charge.with_options(retry_on=Timeout)(1)", before=text, absent={"requests": "gone"}
    ).begin()

    assert run.inputs() == [{"args": [1], "options": {"retryOn": ["requests:Timeout"]}}]


def test_a_step_in_a_class_takes_its_instance(author: Author) -> None:
    """A method that is a step gets the instance as its first argument."""
    run = author.body(
        "return await Shop('s').charge(3)",
        before="""
        from dataclasses import dataclass
        @dataclass
        class Shop:
            name: str
            @__torpor_step__("step//./app.py//Shop.charge")
            async def charge(*args, **kwargs): ...
        """,
    ).begin()

    assert run.ops[0].name == "step//./app.py//Shop.charge"
    assert b'"args"' in (run.ops[0].input or "").encode()
    assert '"s"' in (run.ops[0].input or "")


def test_a_proxy_looks_like_its_function(author: Author) -> None:
    """Name, module and kind are the function's own."""
    body = "import inspect; return [charge.__name__, charge.__module__, inspect.iscoroutinefunction(charge)]"

    assert author.body(body).begin().value == ["charge", "app", True]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hook('t')", "a hook was asked for while a module was loaded; do that inside a workflow function"),
        ("charge(1)", r"step charge is called while modules are loaded \(./app.py:9\).*call it inside a workflow func"),
        ("rate = charge() * 2", "step charge is called while .*or call a plain function that is no step"),
        ("jobs = [charge(n) for n in range(3)]", "step charge is called while"),
    ],
)
def test_a_module_cannot_call_steps(author: Author, line: str, told: str) -> None:
    """Nothing is asked for while modules load; a step would give a coroutine there, and no value."""
    with pytest.raises(Exception, match=told):
        author.body("...", before=f"{line}\n")


def test_a_cancelled_step_is_ignored(author: Author) -> None:
    """The answer to a step whose task was cancelled changes nothing."""
    run = author.body("""
        task = asyncio.create_task(charge(1))
        await asyncio.sleep(0)
        task.cancel()
        await ship(2)
        return task.cancelled()
    """).begin()

    assert run.complete(1, "late").complete(2).value is True


def test_a_step_that_throws_no_error_is_told(author: Author) -> None:
    """JavaScript may throw any value."""
    assert "42" in str(author.body("await charge(1)").begin().fail(1, 42).failure)


def test_a_decoder_of_the_authors_may_fail(author: Author) -> None:
    """An exception in code that reads a registered class is raised where the step is awaited."""
    before = """
    import torpor
    class Point: ...
    def read(data): raise RuntimeError("cannot read")
    torpor.register(Point, encode=lambda p: 1, decode=read)
    """
    run = author.body("await charge(Point())", before=before).begin()
    run.deliver(run.event("step_completed", 1, value=first_argument(run.ops[0].input or "")))

    assert "cannot read" in str(run.failure)
