"""A JavaScript prompt inside a parked VM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from torpor import codec
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Begin, Delivery, Evaluation, Program, Vm

SOURCE = """
import { sleep } from "workflow";
globalThis.total = 41;
const rate = 3;
async function pay(order) { const JSON = "taken"; let cents = order.id * rate; await sleep(1); return [cents, JSON]; }
export async function waits() { const outer = 1; return await pay({ id: 7, get all() { return this.id; } }) + outer; }
"""


@pytest.fixture(scope="module")
def begun() -> Iterator[tuple[Vm, bytes]]:
    """A VM in which a workflow waits, and its snapshot before anything was entered."""
    guest = QuickJS()
    files = {"./main.js": SOURCE}
    program = Program("quickjs", guest.build, files, ["./main.js"], {"waits": ("./main.js", "waits")})
    leased = guest.lease(guest.load(program))
    leased.begin(Begin("wrun_1", "waits", codec.unpack_devalue(codec.dumps([])), bytes(32), 1_800_000_000_000))
    yield leased, leased.snapshot()
    leased.release()
    guest.close()


@pytest.fixture(scope="module")
def vm(begun: tuple[Vm, bytes]) -> Vm:
    """The VM."""
    return begun[0]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("total + 1", "42"),
        ("({ a: [1, 'x'], b: null })", '{ a: [ 1, "x" ], b: null }'),
        ("var kept = 7", ""),
        ("kept * 2", "14"),
        ("console.log('said'); 'value'", 'said\n"value"'),
        ("await Promise.resolve(5)", "5"),
        ("new Date().getTime()", "1800000000000"),
    ],
)
def test_a_value_is_shown(vm: Vm, source: str, text: str) -> None:
    """What is printed comes first, then the value as an author would write it; what is kept stays."""
    assert vm.evaluate(source) == Evaluation(text)


@pytest.mark.parametrize("source", ["function f() {", "[1, 2", "total +", "if (total) {"])
def test_an_unfinished_input_asks_for_more(vm: Vm, source: str) -> None:
    """The beginning of a statement is no error."""
    assert vm.evaluate(source) == Evaluation("", incomplete=True)


@pytest.mark.parametrize(
    ("source", "message"),
    [("missing", "ReferenceError: missing is not defined"), ("throw 3", "Uncaught 3"), ("1 = ;", "SyntaxError: ")],
)
def test_an_error_is_shown(vm: Vm, source: str, message: str) -> None:
    """Errors are told and end nothing."""
    assert vm.evaluate(source).text.startswith(message)
    assert vm.evaluate("1").text == "1"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("order.id + cents", "28"),
        ("order.all", "7"),
        ("[rate, typeof sleep]", '[ 3, "function" ]'),
        ("typeof outer", '"undefined"'),
        ("typeof JSON.stringify", '"function"'),
        ("cents = 5; cents", "5"),
    ],
)
def test_the_variables_of_the_function_that_waits_are_known(vm: Vm, source: str, text: str) -> None:
    """Its own, and what it uses of its module; a global that is there already stays what it is."""
    assert vm.evaluate(source) == Evaluation(text)


def test_a_prompt_knows_what_is_there_where_it_was_brought(begun: tuple[Vm, bytes]) -> None:
    """Another moment has other values, and a run that has ended has none."""
    vm, marked = begun
    vm.restore(marked, bytes(32))
    assert vm.evaluate("cents") == Evaluation("21")
    vm.restore(marked, bytes(32))
    vm.deliver([Delivery("wait_completed", 1, 1_800_000_001_000)])
    assert vm.evaluate("typeof cents") == Evaluation('"undefined"')
    vm.restore(marked, bytes(32))
