"""Other runs as workflow code sees them: what it asks for, and in which order answers matter."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import Author, Run, text_of, value_of
from torpor.codec.values import RunReference, WorkflowFunction
from torpor.errors import RunFailedError

CHILD = "wrun_01CHILD"
IMPORTS = "start, getRun, Run"


def body(author: Author, text: str) -> Run:
    """Return a run of this code, begun."""
    return author.body(text, imports=IMPORTS).begin()


def ended(run: Run, op: int) -> Run:
    """Tell a watching hook that it is there, and then of the end."""
    run.deliver(run.event("hook_created", op))
    return run.deliver(run.event("hook_received", op, value=text_of(None)))


def test_start_is_a_step(author: Author) -> None:
    """Its arguments are the workflow's full name, the list of arguments, and the options."""
    run = body(author, "return (await start(main, [1, 'x'], { runtime: 'replay' })).runId")

    [op] = run.ops
    assert (op.type, op.name) == ("step", "step//torpor//start")
    assert value_of(op.input) == {"args": ["workflow//./flow.js//main", [1, "x"], {"runtime": "replay"}]}
    assert run.complete(1, RunReference(CHILD)).value == CHILD


def test_a_name_is_passed_on_as_it_is(author: Author) -> None:
    """Which workflow it means is for the host to say: it may be of another program or language."""
    run = body(author, "await start('checkout')")

    assert value_of(run.ops[0].input) == {"args": ["checkout", [], {}]}


def test_a_workflow_function_is_a_value(author: Author) -> None:
    """It travels by its name, and one that arrives can be started."""
    run = body(author, "return main")
    assert run.value == WorkflowFunction("workflow//./flow.js//main")

    given = author.body("await start(input)", imports=IMPORTS).begin(WorkflowFunction("workflow//./other.js//far"))
    assert value_of(given.ops[0].input)["args"][0] == "workflow//./other.js//far"


def test_a_function_that_is_exported_twice_has_one_name(author: Author) -> None:
    """The first of them, so that it is the same workflow wherever it is imported."""
    text = """
    import { start } from "workflow";
    export async function main() { "use workflow"; await start(again); }
    export { main as again };
    import { again } from "./flow.js";
    """
    run = author.run(text).begin(workflow="main")

    assert value_of(run.ops[0].input)["args"][0].startswith("workflow//./flow.js//")


def test_waiting_is_a_hook_that_watches(author: Author) -> None:
    """The result is asked for once the end was told, and the hook is disposed of, so that none of them pile up."""
    run = body(author, f"return await getRun('{CHILD}').returnValue")
    [hook] = run.ops
    assert (hook.type, hook.watch, hook.name, hook.input) == ("hook", CHILD, "", None)

    ended(run, 1)
    dispose, step = run.ops[1:]
    assert (dispose.type, dispose.target) == ("hook_dispose", 1)
    assert (step.type, step.name, value_of(step.input)) == ("step", "step//torpor//result", {"args": [CHILD]})
    assert run.complete(3, [7]).value == [7]


def test_a_creation_is_no_end(author: Author) -> None:
    """Nothing is asked for before the reception."""
    run = body(author, f"return await getRun('{CHILD}').result()")
    run.deliver(run.event("hook_created", 1))

    assert len(run.ops) == 1
    assert run.status == "pending"


def test_a_wait_survives_sleep(author: Author) -> None:
    """Between the question and the end the VM may be parked, and after it."""
    run = body(author, f"return await getRun('{CHILD}').result()").park()
    ended(run, 1).park()

    assert run.complete(3, "late").value == "late"


def test_a_result_is_asked_for_once(author: Author) -> None:
    """However often and in whichever way the same handle is awaited."""
    run = body(author, f"const r = getRun('{CHILD}'); return Promise.all([r.result(), r.returnValue, r.result()])")
    ended(run, 1)

    assert [op.type for op in run.ops] == ["hook", "hook_dispose", "step"]
    assert run.complete(3, 5).value == [5, 5, 5]


@pytest.mark.parametrize("wait", ["await run.returnValue", "await run.result()"])
def test_a_failure_tells_where_it_was_awaited(author: Author, wait: str) -> None:
    """The stack of the child's failure ends with the line that asked for the result."""
    text = f"""
    import {{ getRun }} from "workflow";
    export async function main() {{ "use workflow"; const run = getRun("{CHILD}");
      try {{ {wait}; }} catch (error) {{ return error.stack; }}
    }}"""
    run = ended(author.run(text).begin(), 1)
    run.deliver(run.event("step_failed", 3, error=text_of(RunFailedError("it failed", run_id=CHILD))))

    assert "RunFailedError: it failed" in run.value
    assert "at main (./flow.js:4:" in run.value


def test_status_and_cancel_are_steps(author: Author) -> None:
    """Each status is asked anew; a reason may be given."""
    run = body(author, f"const r = getRun('{CHILD}'); r.status; r.status; r.cancel(); await r.cancel('why')")

    assert [(op.name, value_of(op.input)["args"]) for op in run.ops] == [
        ("step//torpor//status", [CHILD]),
        ("step//torpor//status", [CHILD]),
        ("step//torpor//cancel", [CHILD, ""]),
        ("step//torpor//cancel", [CHILD, "why"]),
    ]


def test_a_handle_is_a_value(author: Author) -> None:
    """It comes as a Run and goes as a reference."""
    run = author.body("return [input instanceof Run, input.runId, input]", imports=IMPORTS).begin(RunReference(CHILD))

    assert run.value == [True, CHILD, RunReference(CHILD)]


def test_showing_a_handle_asks_for_nothing(author: Author) -> None:
    """console.log looks at no getter that would wait or call."""
    run = body(author, f"console.log(getRun('{CHILD}')); return 1")

    assert run.ops == []
    assert CHILD in run.lines[0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("start(() => 1)", "TypeError: start: the first argument is no workflow"),
        ("start(undefined)", "TypeError: start: the first argument is no workflow"),
        ("start('a', [], { world: 1 })", "TypeError: start: there is no option world; there are runtime, runId"),
        ("start('a', { world: 1 })", "TypeError: start: there is no option world"),
        ("start('a', 5)", "TypeError: start takes options as an object, such as { runtime: … }, not a number"),
        ("start('a', [], null)", "TypeError: start takes options as an object, such as { runtime: … }, not null"),
        ("start('a', [], [1])", "TypeError: start takes options as an object, such as { runtime: … }, not an array"),
        ("getRun('wrun_2').cancel({ why: 1 })", "TypeError: cancel: the reason must be a string, not object"),
        ("getRun('wrun_1').result()", "Error: a run cannot wait for its own end"),
        ("getRun(null)", "TypeError: the id of a run is a string, not object"),
        ("start('a', [() => 1])", "step step//torpor//start cannot be called: .args[1][0] is a function"),
    ],
)
def test_mistakes_are_told_where_they_are_made(author: Author, call: str, words: str) -> None:
    """Before anything is asked of the host."""
    run = body(author, f"return await {call}")

    assert words in str(run.failure)
    assert run.ops == []


def test_nothing_is_started_while_modules_are_loaded(author: Author) -> None:
    """A run is started inside a run."""
    text = 'import { start } from "workflow"; start("a").catch((error) => { seen = error.message; }); let seen;'
    run = author.run(f'{text} export async function main() {{ "use workflow"; return seen; }}').begin()

    assert "was called while the module was loaded" in run.value
