"""A JavaScript prompt inside a parked VM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from torpor import codec
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Begin, Evaluation, Program, Vm

SOURCE = """
globalThis.total = 41;
export async function waits() { await new Promise(() => {}); }
"""


@pytest.fixture(scope="module")
def vm() -> Iterator[Vm]:
    """A VM in which a workflow waits."""
    guest = QuickJS()
    files = {"./main.js": SOURCE}
    program = Program("quickjs", guest.build, files, ["./main.js"], {"waits": ("./main.js", "waits")})
    leased = guest.lease(guest.load(program))
    leased.begin(Begin("wrun_1", "waits", codec.unpack_devalue(codec.dumps([])), bytes(32), 1_800_000_000_000))
    yield leased
    leased.release()
    guest.close()


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
