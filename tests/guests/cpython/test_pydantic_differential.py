"""The same models and data inside the guest and under the host's pydantic: equal results, or a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.guests.cpython import pydantic_cases
from tests.guests.cpython.conftest import HEAD, WORKFLOW, Author, Run
from torpor.guests.cpython import CPython

FLOW = f"""
import app_cases
@__torpor_workflow__("{WORKFLOW}")
async def main():
    asked = "[]"
    while True:
        told = [app_cases.outcome(*each) for each in json.loads(asked)] if asked else app_cases.schemas()
        asked = await charge(json.dumps(told))
"""

BATCH = 60
"""Cases that one call into the VM decides."""


class Asked:
    """Asks the guest; it waits in a step for each batch."""

    def __init__(self, run: Run) -> None:
        self._run = run.begin()

    def __call__(self, cases: list[list[str]] | None) -> Any:
        """Return what becomes of cases; None asks for the JSON schemas."""
        step = len(self._run.ops)
        self._run.complete(step, json.dumps(cases) if cases is not None else "")
        assert self._run.status == "pending", self._run.failure
        return self._run.inputs()[-1]["args"][0]


@pytest.fixture(scope="module")
def ask(guest: CPython) -> Iterator[Asked]:
    """Return what asks a guest with the same models."""
    author = Author(guest)
    cases = Path(pydantic_cases.__file__).read_text("utf-8")
    yield Asked(author.run(author.load(HEAD + "import json\n" + FLOW, app_cases=cases)))
    author.release()


WORDS = """
true|no|ON|0|1|1.0|1.5|-3|+4|007|1_000|1__0|_1|0x10|1e3|inf|nan|a|red|2|cat| 12 |1.00|12.345|2024-02-29|2023-02-29
2024-1-1|2024-01-02T03:04:05.678901+02:00|2024-01-02 03:04Z|2024-01-02T03:04:05.1234567|23:59:59|25:00|12:30:15+05:30
P1DT2H|-PT3S|1 day, 2:03:04|3d|00:00:01.5|1700000000|-1.5|20000000001|ffffffffffffffffffffffffffffffff|not-a-uuid|1+2j
{11111111111111111111111111111111}|12345678-1234-5678-1234-567812345678|/tmp/x|abc.|a b|1/3|2/0|1e5000
""".strip("\n").replace("\n", "|")
"""Texts that mean something to one type or another."""

KEY_WORDS = """
name count items total kind lives barks i f s d a b c x y one One two Two deep first second third size left right
children 1 2.5
"""

NAMES = """
Color.RED|Number.TWO|Point(1, 2.0)|Item(name='n')|Open(a=1, b=[2])|Pair(1)|Cat(kind='cat')|Item.model_construct(name=5)
Page[int](items=[1])|bytearray(b'12')|float('nan')|1j|object|collections.deque([1, 2])|range(3)|{1: 2}|...
pathlib.PurePosixPath('x')|SecretStr('s')|{'a': 1}.keys()|Decimal('NaN')|Tree(name='t')
Fraction(2, 3)|Fraction(-1)
""".strip("\n").replace("\n", "|")
"""Objects, as Python says them."""

LETTERS = st.characters(max_codepoint=0x24F)
"""Host and guest are of different years, and so are their ideas of newer letters."""

TEXTS = st.one_of(
    st.text(LETTERS, max_size=6),
    st.integers(-200, 200).map(str),
    st.floats().map(str),
    st.sampled_from(["", *WORDS.split("|")]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.integers(-5, 105), st.floats(), TEXTS)
KEYS = st.one_of(st.sampled_from(KEY_WORDS.split()), TEXTS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=6,
)
OBJECTS = st.one_of(
    TREES.map(repr),
    st.one_of(st.dates(), st.datetimes(), st.times(), st.timedeltas()).map(
        lambda each: repr(each).replace("datetime.", "dt.", 1)
    ),
    st.decimals(places=3).filter(lambda each: not each.is_snan()).map(repr),
    st.uuids().map(lambda each: f"uuid.{each!r}"),
    st.lists(SCALARS, max_size=3).map(lambda each: repr(tuple(each))),
    st.binary(max_size=5).map(repr),
    st.sets(st.integers(-3, 3), max_size=1).map(repr),
    st.sampled_from(NAMES.split("|")),
)
CASES = st.one_of(
    st.tuples(
        st.sampled_from(sorted(pydantic_cases.TYPES)), st.sampled_from(["lax", "strict", "dump", "strings"]), OBJECTS
    ),
    st.tuples(st.sampled_from(sorted(pydantic_cases.TYPES)), st.just("json"), TREES.map(json.dumps)),
    st.tuples(
        st.sampled_from(sorted(pydantic_cases.TYPES)),
        st.just("json"),
        st.text('[]{}"\\:,0123456789.eE+-truefalsn \n\x00u\ud83d', max_size=12),
    ),
)


def compare(ask: Asked, cases: list[list[str]]) -> None:
    """Fail if a case comes to something else inside."""
    inside = json.loads(ask(cases))
    outside = [json.loads(json.dumps(pydantic_cases.outcome(*case))) for case in cases]
    for case, mine, real in zip(cases, inside, outside, strict=True):
        is_refused = mine[0] == "raised" and mine[1] == "NotInWorkflowError"
        assert is_refused or mine == real, (case, mine, real)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(cases=st.lists(CASES, min_size=BATCH, max_size=BATCH))
def test_values_and_errors_are_those_of_the_host(ask: Asked, cases: list[tuple[str, str, str]]) -> None:
    """Of thousands of values, types and modes."""
    compare(ask, [[name, mode, text] for name, mode, text in cases])


def test_bytes_that_are_no_text_are_those_of_the_host(ask: Asked) -> None:
    """What is wrong with them has a place and a length."""
    spoiled = [b"a\xf4\x83}", b"\xf4", b"\xff", b"ab\xf4\x83\x83", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
    compare(ask, [["Fraction", "dump", repr(each)] for each in spoiled])


def test_large_integers_are_those_of_the_host(ask: Asked) -> None:
    """Where pydantic looks a number up, it does not look beyond 64 bits, and says so."""
    cases = [
        [name, mode, str(number)]
        for name in ("Literal", "Color", "Number", "complex", "told", "smart union", "bool", "timedelta", "Decimal")
        for mode in ("lax", "strict", "json")
        for number in (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**70)
    ]
    compare(ask, cases)


def test_schemas_are_those_of_the_host(ask: Asked) -> None:
    """``model_json_schema`` describes models as outside."""
    assert json.loads(ask(None)) == json.loads(json.dumps(pydantic_cases.schemas()))
