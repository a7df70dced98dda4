"""The guests' readers inside their VMs: whatever text they get, a workflow fails with an error and the VM lives."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.codec.damaged import DAMAGED
from tests.fuzz.damage import bounded, damaged
from torpor import codec
from torpor.codec.errors import RemoteError
from torpor.errors import SerializationError
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Begin, Guest, Program

BOTH = ["quickjs", "cpython"]
JAVASCRIPT = "export async function echo(value) { return value; }"
PYTHON = "async def echo(value):\n    return value\n"
COMPLAINTS = {"SyntaxError", "TypeError", "RangeError", "URIError", "SerializationError"}

ORIGINALS = [
    codec.unpack_devalue(codec.dumps([value])).encode("utf-8", "surrogatepass")
    for value in (
        {"a": [1, -1, 2.5, "é\u2028<"], "b": {"c": None, "d": True}},
        [{1: {2}, (3, "x"): frozenset({4})}, 2**70, b"bytes"],
        [ValueError("m"), ExceptionGroup("g", [KeyError("k")])],
    )
] + [
    b'devl[[1],["Map",2],[3,4],[5,6],[6,1],["Date",7],"k","1970-01-01T00:00:00.000Z"]',
    b'devl[[1,2],[-7,10,3,4],["Error",3],{"name":4,"message":4,"stack":4,"cause":1},"m"]',
    b'devl[[1],["Request",2],{"method":3,"url":3,"headers":4,"body":6,"duplex":-1},"GET",["Headers",5],[],null]',
]


class Echo:
    """Runs a workflow that returns what it is given, in a VM of its own each time."""

    def __init__(self, name: str) -> None:
        self._guest: Guest = QuickJS() if name == "quickjs" else CPython()
        if name == "quickjs":
            made = Program(name, self._guest.build, {"flow.js": JAVASCRIPT}, ["flow.js"], {"echo": ("flow.js", "echo")})
        else:
            files, modules = {"./flow.py": PYTHON}, {"flow": "./flow.py"}
            made = Program(name, self._guest.build, files, ["flow"], {"echo": ("flow", "echo")}, modules=modules)
        self._image = self._guest.load(made)

    def __call__(self, args: str) -> None:
        """Run it; fail if the guest does anything but return a text or say what is wrong with the one it was given."""
        vm = self._guest.lease(self._image)
        outbox = vm.begin(Begin("wrun_1", "echo", args, bytes(32), 1_700_000_000_000))
        vm.release()
        if outbox.status == "completed":
            with contextlib.suppress(SerializationError):  # a guest knows no more than its own language does
                codec.loads(codec.pack_devalue(outbox.value or ""))
            return
        assert outbox.status == "failed"
        error = codec.loads(codec.pack_devalue(outbox.error or ""))
        name = error.name if isinstance(error, RemoteError) else type(error).__name__
        assert name in COMPLAINTS, error


@pytest.fixture(scope="module", params=BOTH)
def echo(request: pytest.FixtureRequest) -> Echo:
    """Return the workflow in each language."""
    return Echo(request.param)


@bounded
@given(data=damaged(ORIGINALS))
def test_a_damaged_text_fails_the_workflow(echo: Echo, data: bytes) -> None:
    """With a message, not with a trap."""
    echo("devl" + data.decode("utf-8", "replace").removeprefix("devl"))


KEYS = st.sampled_from(["classId", "data", "message", "name", "__proto__", "length"])
NAMES = st.sampled_from(["Map", "Set", "Instance", "Error", "Date", "class//python//tuple", "null"])
ATOMS = st.integers(-8, 12) | NAMES | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
ELEMENTS = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@bounded
@given(elements=st.lists(ELEMENTS, min_size=1, max_size=6))
def test_any_json_fails_the_workflow_or_is_a_value(echo: Echo, elements: list[object]) -> None:
    """As the elements of a text, whatever their shape."""
    echo(f"devl{json.dumps([[1], *elements])}")


@pytest.mark.parametrize("text", DAMAGED)
def test_known_damage_fails_the_workflow(echo: Echo, text: str) -> None:
    """What every reader refuses."""
    echo(f"devl{text}")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[[1]" + ",[1]" * 100_000 + "]",
        f"[[1],[{','.join(['2'] * 100_000)}],[-7,100000]]",
        f"[{','.join(f'[{at + 1}]' for at in range(50_000))},1]",
        "[" + ",".join(f"[{at + 1},{at + 1}]" for at in range(1_000)) + ",[]]",
        f'[[1],["BigInt",2],"{"9" * 100_000}"]',
        f"[[{','.join(str(at) for at in range(1, 20))}]{',[-7,100000]' * 19}]",
    ],
    ids=[
        "open brackets",
        "self references",
        "shared holes",
        "deep nesting",
        "doubling",
        "a long number",
        "sparse arrays",
    ],
)
def test_what_costs_more_than_it_is_long_is_bounded(echo: Echo, text: str) -> None:
    """Within the time and memory that a turn may take."""
    echo(f"devl{text}")
