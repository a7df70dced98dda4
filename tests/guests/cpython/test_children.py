"""Runs that a Python workflow starts."""

from __future__ import annotations

from tests.guests.cpython.conftest import Author
from torpor.codec.values import Kwargs, RunReference, WorkflowFunction
from torpor.errors import RunFailedError, UsageError

CHILD = '@__torpor_workflow__("workflow//./app.py//child")\nasync def child(a, b=2, *, c=3): ...\n'


def test_start_by_function(author: Author) -> None:
    """A workflow function is started by reference, its arguments bound as Python binds them."""
    run = author.body("return await app.start(child, 1, b=5, c=7, runtime='replay')", before=CHILD).begin()

    assert run.ops[0].name == "step//torpor//start"
    (given,) = run.inputs()
    reference, args, options = given["args"]
    assert reference == WorkflowFunction("workflow//./app.py//child")
    assert args == [1, 5, Kwargs(c=7)]
    assert type(args[2]) is Kwargs
    assert options == {"runtime": "replay"}
    assert run.complete(1, RunReference("wrun_c")).value == RunReference("wrun_c")


def test_start_by_name(author: Author) -> None:
    """Any workflow in any language is started by name."""
    assert author.body("await app.start('checkout', 1)").begin().inputs() == [{"args": ["checkout", [1], {}]}]


def test_what_cannot_be_started(author: Author) -> None:
    """A function that is no workflow, and arguments that do not fit, are refused at once."""
    other = author.body("await app.start(other)", before="async def other(): ...\n").begin()
    misfit = author.body("await app.start(child, 1, 2, 3)", before=CHILD).begin()

    assert isinstance(other.failure, UsageError)
    assert "other is no workflow" in str(other.failure)
    assert "too many positional arguments" in str(misfit.failure)


def test_a_start_has_options(author: Author) -> None:
    """They travel with the step, their times as milliseconds of the run's clock; those that are as usual do not."""
    run = author.body("await app.start('checkout', run_id='o-1', delay=1, deadline='2s', priority=0)").begin()

    begins = {"starts_at": run.ops[0].at + 1_000, "deadline": run.ops[0].at + 3_000, "runId": "o-1"}
    assert run.inputs() == [{"args": ["checkout", [], begins]}]


def test_result_waits_for_the_end(author: Author) -> None:
    """result() watches the run, which holds nothing, and then asks for what it returned."""
    run = author.body("return await app.run('wrun_c').result()").begin()
    (watch,) = run.ops
    assert (watch.type, watch.watch) == ("hook", "wrun_c")

    run.deliver(run.event("hook_created", 1)).park().receive(None)
    step = run.ops[-1]
    assert (step.name, run.inputs()) == ("step//torpor//result", [{"args": ["wrun_c"]}])
    assert run.complete(step.n, "done").value == "done"


def test_a_failed_child_is_raised(author: Author) -> None:
    """The error of the child's run can be caught."""
    body = "try:\n    await app.run('wrun_c').result()\nexcept RunFailedError as e:\n    return str(e.__cause__)"
    run = author.body(body, before="from torpor import RunFailedError\n").begin()
    run.deliver(run.event("hook_created", 1)).receive(None)
    error = RunFailedError("run wrun_c failed", run_id="wrun_c")
    error.__cause__ = ValueError("inner")

    assert run.fail(run.ops[-1].n, error).value == "inner"


def test_status_and_cancel(author: Author) -> None:
    """The other questions are steps too."""
    run = author.body("r = app.run('wrun_c'); s = await r.status(); await r.cancel('enough'); return s").begin()
    run.complete(1, "running")

    assert run.ops[1].name == "step//torpor//cancel"
    assert run.inputs() == [{"args": ["wrun_c"]}, {"args": ["wrun_c", "enough"]}]
    assert run.complete(2).value == "running"


def test_handles_are_values(author: Author) -> None:
    """A handle that arrives can be used, and equals another of the same run."""
    run = author.body("return [run.id, run == app.run('wrun_c'), len({run, app.run('wrun_c')})]", parameters="run")

    assert run.begin(RunReference("wrun_c")).value == ["wrun_c", True, 1]


def test_handles_have_type_arguments(author: Author) -> None:
    """What type checkers want to know is harmless at run time."""
    assert author.body("return 1", before="from torpor import RunHandle\nHandle = RunHandle[int]\n").begin().value == 1


def test_a_workflow_called_directly_is_a_function(author: Author) -> None:
    """Awaiting another workflow of the program runs it in place."""
    before = '@__torpor_workflow__("w")\nasync def child(a): return await charge(a)\n'
    run = author.body("return await child(1)", before=before).begin()

    assert run.complete(1, "in place").value == "in place"
