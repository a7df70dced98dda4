"""How a run ends, and what its errors tell."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, SEED, Author, text_of, value_of
from torpor.errors import VmError
from torpor.vm.guest import Begin


def test_result_completes_the_run(author: Author) -> None:
    """The workflow function's value is the run's."""
    assert author.body("return { doubled: input * 2 }").begin(21).value == {"doubled": 42}


def test_nothing_is_asked_after_the_end(author: Author) -> None:
    """Once the workflow function has settled, code that still runs asks for nothing and never resumes."""
    body = "(async () => { await charge(1); console.log('late'); await charge(2) })(); return 'done'"
    run = author.body(body).begin()
    assert run.value == "done"

    run.complete(1)

    assert [op.n for op in run.ops] == [1]
    assert run.lines == []


def test_thrown_error_fails_the_run(author: Author) -> None:
    """Class, message, cause and the author's places are in the failure."""
    source = """export async function main() {
  "use workflow";
  outer();
}
function outer() {
  inner();
}
const inner = () => {
  throw new RangeError("too far", { cause: new TypeError("root") });
};
"""
    failure = author.run(source).begin().failure

    assert (failure.name, failure.message) == ("RangeError", "too far")
    assert failure.__cause__.message == "root"


def stack_of(author: Author, files: dict[str, str]) -> list[str]:
    """Return the lines of the stack of what the workflow `main` catches."""
    stack: str = author.run(files).begin().value
    return stack.split("\n")


CATCHING = """export async function main() {
  "use workflow";
  try {
    return await work();
  } catch (error) {
    return error.stack;
  }
}
"""


def test_stack_names_functions_files_and_lines(author: Author) -> None:
    """A stack reads as in other hosts, over several files."""
    lines = stack_of(
        author,
        {
            "flow.js": f'import {{ deep }} from "./lib/deep.js";\n{CATCHING}function work() {{\n  return deep();\n}}\n',
            "lib/deep.js": "\n\nexport function deep() {\n  throw new TypeError('boom');\n}\n",
        },
    )

    assert lines[0] == "TypeError: boom"
    assert lines[1].startswith("    at deep (./lib/deep.js:4:")
    assert lines[2].startswith("    at work (./flow.js:11:")
    assert lines[3].startswith("    at main (./flow.js:5:")
    assert lines[4:] == []


def test_stack_of_an_engine_error_is_alike(author: Author) -> None:
    """Errors that the engine throws have the same form."""
    lines = stack_of(author, {"flow.js": CATCHING + "function work(order) {\n  return order.id;\n}\n"})

    assert lines[0].startswith("TypeError: ")
    assert lines[1].startswith("    at work (./flow.js:10:")


def test_stack_after_an_await_names_the_thrower(author: Author) -> None:
    """An error thrown after an await still tells its own line."""
    lines = stack_of(
        author, {"flow.js": CATCHING + "async function work() {\n  await null;\n  throw new Error('x');\n}\n"}
    )

    assert lines[1].startswith("    at work (./flow.js:11:")


def test_typescript_stack_has_the_author_s_lines(author: Author) -> None:
    """Types above and between do not shift the lines of a stack."""
    source = """interface Order {
  id: string;
}
type Never =
  | never;

export async function main(order: Order): Promise<string | undefined> {
  "use workflow";
  try {
    work<Order>(order as unknown as Order);
  } catch (error) {
    return (error as Error).stack;
  }
}

function work<T>(
  order: T,
): Never {
  throw new Error(`no ${order as string}`);
}
"""
    stack = author.run({"flow.ts": source}).begin("x").value

    assert "    at work (./flow.ts:19:" in stack
    assert "    at main (./flow.ts:10:17)" in stack


def test_error_class_of_the_author_keeps_its_name(author: Author) -> None:
    """A class of the program crosses as its name and message."""
    source = """class OutOfStock extends Error {
  constructor(what) { super(`no ${what}`); this.name = "OutOfStock" }
}
export async function main() { "use workflow"; throw new OutOfStock("tea") }
"""
    failure = author.run(source).begin().failure

    assert (failure.name, failure.message) == ("OutOfStock", "no tea")


def test_own_prepare_stack_trace_does_no_harm(author: Author) -> None:
    """A program may format stacks itself; steps still work."""
    source = """import { charge } from "./orders.py";
Error.prepareStackTrace = () => 5;
export async function main() { "use workflow"; return await charge(1) }
"""
    assert author.run(source).begin().complete(1, "ok").value == "ok"


@pytest.mark.parametrize("thrown", ["'text'", "7", "null", "{ code: 3 }"])
def test_anything_may_be_thrown(author: Author, thrown: str) -> None:
    """What is thrown need not be an Error."""
    run = author.body(f"throw {thrown}").begin()

    assert run.status == "failed"
    assert run.last.error == text_of({"'text'": "text", "7": 7, "null": None, "{ code: 3 }": {"code": 3}}[thrown])


def test_thrown_value_that_cannot_be_stored_fails_the_run(author: Author) -> None:
    """The failure then says what was thrown and why it cannot be stored."""
    failure = author.body("const e = new RangeError('odd'); e.cause = () => 1; throw e").begin().failure

    assert failure.message.startswith("odd (the thrown value cannot be stored: ")


def test_result_that_cannot_be_stored_fails_the_run(author: Author) -> None:
    """The failure names the workflow and the path of the value."""
    failure = author.body("return { a: [() => 1] }").begin().failure

    assert failure.message.startswith("the result of workflow//./flow.js//main cannot be stored: ")
    assert ".a[0]" in failure.message


def test_arguments_that_cannot_be_read_fail_the_run(author: Author) -> None:
    """Damaged arguments are an error, never undefined."""
    run = author.body("return input").start(Begin("wrun_1", "workflow//./flow.js//main", "devl[[9]]", SEED, BEGAN_AT))

    assert run.status == "failed"


def test_unknown_workflow_is_an_error(author: Author) -> None:
    """A program without that workflow refuses to begin."""
    with pytest.raises(VmError, match="the program has no workflow nope"):
        author.body("return 1").start(Begin("wrun_1", "nope", "devl[[]]", SEED, BEGAN_AT))


def test_odd_texts_survive(author: Author) -> None:
    """NUL characters and lone surrogates go in and come out unchanged."""
    run = author.body("return [input, await charge(input + '\\ud800')]").begin("null byte \0")
    (argument,) = value_of(run.ops[0].input)["args"]

    assert run.complete(1, argument).value == ["null byte \0", "null byte \0\ud800"]


def test_synchronous_throw_and_plain_functions_work(author: Author) -> None:
    """A workflow need not be async."""
    source = 'export function main(n) { "use workflow"; if (n) throw new Error("sync"); return 1 }'
    image = author.load(source)

    assert author.run(image).begin(0).value == 1
    assert author.run(image).begin(1).failure.message == "sync"
