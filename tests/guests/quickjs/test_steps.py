"""Steps as workflow code sees them."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author, text_of, value_of
from torpor.codec.values import StepFunction
from torpor.errors import StepError


def test_call_asks_for_a_step(author: Author) -> None:
    """A call becomes op 1 with the step's full name, its arguments and the time of the event that caused it."""
    run = author.body("return await charge(input, { deep: [true] })").begin(5)

    (op,) = run.ops
    assert (op.n, op.type, op.name, op.at) == (1, "step", "step//./orders.py//charge", BEGAN_AT)
    assert value_of(op.input) == {"args": [5, {"deep": [True]}]}
    assert run.status == "pending"
    assert not run.last.awaits_ack


def test_options_go_along_with_a_call(author: Author) -> None:
    """Later ones are added; without any the input is as ever, and a step with options is a value that keeps them."""
    body = """
    const careful = charge.withOptions({ maxRetries: 1, timeout: "30s" });
    await careful(1);
    await careful.withOptions({ timeout: null, backoff: { first: "1s" } }).bind(null, 2)(3);
    await charge.withOptions({})(4);
    return [careful.name, careful];
    """
    run = author.body(body).begin().complete(1).complete(2).complete(3)

    careful = {"maxRetries": 1, "timeoutMs": 30_000}
    backoff = {"firstMs": 1000, "factor": 2, "mostMs": 60_000}
    assert [value_of(op.input) for op in run.ops] == [
        {"args": [1], "options": careful},
        {"args": [2, 3], "options": {"maxRetries": 1, "timeoutMs": None, "backoff": backoff}},
        {"args": [4]},
    ]
    assert run.value == ["charge", StepFunction("step//./orders.py//charge", {"options": careful})]


def test_errors_that_are_retried_are_given_by_name(author: Author) -> None:
    """A class counts by its name, since what steps raise is defined in Python."""
    body = """
    class OutOfStock extends Error {}
    await charge.withOptions({ retryOn: ["ConnectionError", TypeError], neverRetry: OutOfStock })();
    await charge.withOptions({ retryOn: null, neverRetry: [] })();
    """
    run = author.body(body).begin().complete(1)

    assert [value_of(op.input)["options"] for op in run.ops] == [
        {"retryOn": ["ConnectionError", "TypeError"], "neverRetry": ["OutOfStock"]},
        {"retryOn": None, "neverRetry": []},
    ]


def test_options_of_a_step_that_arrived_are_kept(author: Author) -> None:
    """It may come from a workflow in Python, which knows more of them."""
    step = StepFunction("step//./a.py//f", {"options": {"maxRetries": 1, "retryOn": ["builtins:OSError"]}})
    run = author.body("await input.withOptions({ maxRetries: 2 })(1); return input").begin(step)

    assert value_of(run.ops[0].input) == {"args": [1], "options": {"maxRetries": 2, "retryOn": ["builtins:OSError"]}}
    assert run.complete(1).value == step


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            "{ retries: 1 }",
            "TypeError: withOptions: there is no option retries; there are maxRetries, timeout, heartbeat, ",
        ),
        ("3", "TypeError: withOptions takes options as an object"),
        ("{ maxRetries: -1 }", "RangeError: withOptions: maxRetries is -1; give 0 for none, or more"),
        ("{ retryOn: 5 }", "RangeError: withOptions: retryOn is 5; give names or classes of errors"),
        ("{ neverRetry: ['a b'] }", "RangeError: withOptions: neverRetry is a b; give names or classes of errors"),
        ("{ neverRetry: null }", "RangeError: withOptions: neverRetry is null; give names or classes of errors"),
        ("{ maxRetries: '1' }", "RangeError: withOptions: maxRetries is 1; give 0 for none, or more"),
        ("{ timeout: 'soon' }", 'RangeError: "soon" is not a duration'),
        ("{ timeout: 0 }", "RangeError: withOptions: timeout is 0; give a time that is longer, or null"),
        ("{ timeout: -5 }", "RangeError: withOptions: timeout is -5; give a time that is longer, or null"),
        ("{ backoff: { firs: 1 } }", "TypeError: backoff: there is no option firs; there are first, factor, most"),
        ("{ backoff: { first: -1 } }", "RangeError: withOptions: first is -1; give a time from 0 upwards"),
        ("{ backoff: { most: '-1s' } }", "RangeError: withOptions: most is -1s; give a time from 0 upwards"),
        ("{ backoff: { factor: NaN } }", "RangeError: withOptions: factor is NaN; give a number from 0 upwards"),
    ],
)
def test_options_that_mean_nothing_are_refused(author: Author, options: str, error: str) -> None:
    """Where they are written."""
    run = author.body(f"try {{ charge.withOptions({options}) }} catch (e) {{ return String(e) }}").begin()

    assert run.value.startswith(error)


def test_result_resumes_the_workflow(author: Author) -> None:
    """The await yields the step's result."""
    run = author.body("return 1 + await charge(input)").begin(5).complete(1, 41)

    assert run.value == 42


def test_ops_are_numbered_in_order_of_calls(author: Author) -> None:
    """One counter numbers everything, over turns and kinds."""
    run = author.body("charge(1); await ship(2); await sleep(5); await charge(3)").begin().complete(2)
    run.wake(3)

    assert [(op.n, op.type) for op in run.ops] == [(1, "step"), (2, "step"), (3, "wait"), (4, "step")]


def test_arguments_are_passed_by_value(author: Author) -> None:
    """What the workflow does to an argument after the call does not reach the step."""
    run = author.body("const order = { n: 1 }; charge(order); order.n = 2; await sleep(1)").begin()

    assert value_of(run.ops[0].input) == {"args": [{"n": 1}]}


def test_steps_run_beside_one_another(author: Author) -> None:
    """Promise.all asks for all steps at once and takes results in any order."""
    run = author.body("return (await Promise.all([charge(1), charge(2), ship(3)])).join('')").begin()
    run.complete(3, "C").complete(1, "A").complete(2, "B")

    assert run.value == "ABC"


def test_race_takes_the_first(author: Author) -> None:
    """Of racing steps the first result wins; the loser's later result is harmless."""
    run = author.body("return await Promise.race([charge(1), ship(2)])").begin().complete(2, "fast")

    assert run.value == "fast"
    assert run.complete(1, "slow").value == "fast"


def test_any_passes_over_a_failure(author: Author) -> None:
    """Promise.any yields the first success while another step fails."""
    run = author.body("return await Promise.any([charge(1), ship(2)])").begin()
    run.deliver(run.event("step_failed", 1, error=text_of(StepError("no"))))

    assert run.complete(2, "yes").value == "yes"


def test_failure_is_thrown_at_the_await(author: Author) -> None:
    """A failed step throws its error, which the workflow may catch."""
    body = "try { await charge(1) } catch (error) { return [error.message, error instanceof Error] }"
    run = author.body(body).begin()
    run.deliver(run.event("step_failed", 1, error=text_of(ValueError("card declined"))))

    assert run.value == ["card declined", True]


def test_failure_tells_where_the_step_was_called(author: Author) -> None:
    """The stack begins with the step's own text and goes on with the author's call."""
    source = """import { charge } from "./orders.py";
export async function main() {
  "use workflow";
  try {
    await pay();
  } catch (error) {
    return error.stack;
  }
}
async function pay() {
  return await charge(1);
}
"""
    run = author.run(source).begin()
    run.deliver(run.event("step_failed", 1, error=text_of(ValueError("card declined"))))

    assert "card declined" in run.value
    assert "\n    at pay (./flow.js:11:" in run.value
    assert "\n    at main (./flow.js:5:" in run.value
    assert "torpor:" not in run.value


@pytest.mark.parametrize(
    ("argument", "path"),
    [("() => 1", ".args[0]"), ("{ a: [Symbol('x')] }", ".args[0].a[0]"), ("new (class A {})", "A")],
)
def test_argument_that_cannot_be_stored_rejects_the_call(author: Author, argument: str, path: str) -> None:
    """The error names step and path and is fatal; nothing is asked of the host."""
    body = f"try {{ await charge({argument}) }} catch (error) {{ return [error.message, FatalError.is(error)] }}"
    run = author.body(body).begin()
    message, is_fatal = run.value

    assert run.ops == []
    assert "step//./orders.py//charge" in message
    assert path in message
    assert is_fatal


def test_step_has_its_id_and_name(author: Author) -> None:
    """A proxy carries the full name under `stepId`, and its own name."""
    run = author.body("return [charge.stepId, charge.name, typeof charge]").begin()

    assert run.value == ["step//./orders.py//charge", "charge", "function"]


def test_steps_may_be_imported_as_a_namespace_or_dynamically(author: Author) -> None:
    """Every form of import reaches the same steps."""
    source = """import * as orders from "./orders.py";
export async function main() {
  "use workflow";
  const { ship } = await import("./orders.py");
  return [ship === orders.ship, await orders.charge(1)];
}
"""
    assert author.run(source).begin().complete(1, "ok").value == [True, "ok"]


def test_step_may_be_an_argument(author: Author) -> None:
    """A step is passed by its id; one that comes back is the step again."""
    run = author.body("const step = await charge({ callback: ship }); return await step(1)").begin()
    run.complete(1, value_of(run.ops[0].input)["args"][0]["callback"]).complete(2, "shipped")

    assert run.ops[1].name == "step//./orders.py//ship"
    assert run.value == "shipped"


def test_bound_step_is_a_step(author: Author) -> None:
    """Bound arguments come first, also after the bound step has travelled as a value."""
    run = author.body("const f = charge.bind(null, 1).bind(null, 2); f(3); const g = await ship(f); await g(4)").begin()
    run.complete(2, value_of(run.ops[1].input)["args"][0])

    assert value_of(run.ops[0].input) == {"args": [1, 2, 3]}
    assert value_of(run.ops[2].input) == {"args": [1, 2, 4]}
    assert run.ops[2].name == "step//./orders.py//charge"


def test_instances_of_exported_classes_cross(author: Author) -> None:
    """A class with custom serialization goes out as data with its id and comes back as an instance."""
    files = {
        "flow.js": """import { charge } from "./orders.py";
import { Point } from "./point.js";
export async function main() {
  "use workflow";
  const back = await charge(new Point(1, 2));
  return [back instanceof Point, back.sum()];
}
""",
        "point.js": """export class Point {
  constructor(x, y) { this.x = x; this.y = y }
  sum() { return this.x + this.y }
  static [Symbol.for("workflow-serialize")]({ x, y }) { return { x, y } }
  static [Symbol.for("workflow-deserialize")]({ x, y }) { return new Point(x, y) }
}
""",
    }
    run = author.run(files).begin()
    assert "class//./point.js//Point" in (run.ops[0].input or "")

    assert run.complete(1, value_of(run.ops[0].input)["args"][0]).value == [True, 3]


def test_step_at_module_scope_is_an_error(author: Author) -> None:
    """Module scope is shared by all runs, so asking for a step there fails the load with the author's line."""
    source = """import { charge } from "./orders.py";

charge(1);
export async function main() { "use workflow" }
"""
    with pytest.raises(Exception, match=r"step//./orders.py//charge was called while the module was loaded") as caught:
        author.load(source)

    assert "./flow.js:3" in str(caught.value)


def test_answer_to_an_unknown_op_is_ignored(author: Author) -> None:
    """A delivery that nothing waits for changes nothing."""
    run = author.body("return await charge(1)").begin().complete(7).complete(1, "ok").complete(1, "again")

    assert run.value == "ok"


def test_results_in_one_call_keep_their_order(author: Author) -> None:
    """Deliveries are applied one by one, jobs drained in between, each under its own time."""
    body = "const seen = []; const note = (x) => seen.push([x, Date.now()]); "
    body += "await Promise.all([charge(1).then(note), ship(2).then(note)]); return seen"
    run = author.body(body).begin()
    second, first = (
        run.event("step_completed", 2, value=text_of("b")),
        run.event("step_completed", 1, value=text_of("a")),
    )

    assert run.deliver(second, first).value == [["b", second.at], ["a", first.at]]


def test_waiting_workflow_survives_a_snapshot(author: Author) -> None:
    """Closures, pending calls and the op counter are as before in another VM."""
    run = author.body("let sum = 0; for (let i = 0; i < 3; i++) sum += await charge(i); return sum").begin()
    for n in (1, 2, 3):
        run.park().complete(n, n * 10)

    assert run.value == 60
    assert [op.n for op in run.ops] == [1, 2, 3]
