"""Texts that nobody wrote in good faith: refused with one error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import json
import random
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.damaged import DAMAGED, DAMAGED_FOR_PYTHON
from tests.codec.sameness import there_and_back
from torpor.clock import SystemClock
from torpor.codec.types.table import standard_table
from torpor.codec.wire import devalue
from torpor.codec.wire.bounds import COLLISIONS_MAX
from torpor.errors import SerializationError
from torpor.limits import MIB

TABLE = standard_table(SystemClock())
NAMES = [*TABLE.by_name, "null"]


def parse(text: str) -> Any:
    """Return the value of a text."""
    return devalue.parse(text, TABLE)


@pytest.mark.parametrize("text", [*DAMAGED, *DAMAGED_FOR_PYTHON])
def test_a_damaged_text_is_refused(text: str) -> None:
    """It is a SerializationError, whatever the damage."""
    with pytest.raises(SerializationError):
        parse(text)


def test_json_that_nests_too_deep_is_refused() -> None:
    """The parser does not recurse into what the format does not have."""
    with pytest.raises(SerializationError):
        parse("[" * 1_000_000)
    with pytest.raises(SerializationError):
        parse('["\\ud800",' + "[" * 1_000_000)


def test_a_value_that_is_its_own_payload_is_refused() -> None:
    """No decoder sees an index as a value. Only a Set may be its own member, which is the same text in one level."""
    for name in TABLE.by_name.keys() - {"Set"}:
        with pytest.raises(SerializationError):
            parse(f'[["{name}",0]]')
        with pytest.raises(SerializationError):
            parse(f'[[1],["{name}",0]]')


@pytest.mark.parametrize("class_id", ["tuple", "frozenset", "Decimal", "namedtuple//tests.codec:None"])
def test_an_immutable_value_in_its_own_payload_is_refused(class_id: str) -> None:
    """It cannot exist before its members."""
    text = f'[["Instance",1],{{"classId":2,"data":3}},"class//python//{class_id}",[0]]'

    with pytest.raises(SerializationError):
        parse(text)


def seconds_for(text: str) -> float:
    """Return how long a text takes to be read or refused."""
    start = time.perf_counter()
    with contextlib.suppress(SerializationError):
        parse(text)
    return time.perf_counter() - start


def tuples(levels: int, copies: int) -> str:
    """Return elements 2, 3 … of a text: the class id, then tuples (from 3 on) that hold the next one so many times."""
    elements = ['"class//python//tuple"']
    for at in range(3, 3 + 3 * levels, 3):
        members = ",".join([str(at + 3)] * copies)
        elements += [f'["Instance",{at + 1}],{{"classId":2,"data":{at + 2}}},[{members}]']
    return ",".join([*elements, "1"])


@pytest.mark.parametrize(("levels", "copies"), [(60, 2), (3_000, 1)])
@pytest.mark.parametrize("collection", ['["Set",1],[3]', '["Map",1],[-1]'])
def test_a_key_that_is_too_costly_to_hash_is_refused(collection: str, levels: int, copies: int) -> None:
    """Sixty tuples that hold the next one twice have 2**60 members; thousands inside one another overflow the stack."""
    pair = 3 + 3 * levels + 1
    text = f"[{collection.replace('-1', str(pair))},{tuples(levels, copies)},[3,3]]"

    with pytest.raises(SerializationError, match="too costly to hash"):
        parse(text)


def test_keys_of_one_hash_are_refused() -> None:
    """Multiples of 2**61 - 1 all hash to 0, and would make a set of them quadratic."""
    members = [f'["BigInt","{number * (2**61 - 1)}"]' for number in range(1, COLLISIONS_MAX + 2)]
    text = f'[["Set",1],{json.dumps(list(range(2, len(members) + 2)))},{",".join(members)}]'

    with pytest.raises(SerializationError, match="have the same hash"):
        parse(text)


def test_sparse_arrays_are_bounded_together() -> None:
    """Twenty bytes that ask for a hundred thousand elements cannot be repeated at will."""
    text = f"[[{','.join(str(at) for at in range(1, 20))}]{',[-7,100000]' * 19}]"

    tracemalloc.start()
    with pytest.raises(SerializationError, match="more than 1000000 elements together"):
        parse(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 20 * MIB


def test_a_number_of_a_million_digits_is_refused() -> None:
    """Python's own conversion would be quadratic."""
    assert seconds_for(f'[["BigInt","{"9" * 1_000_000}"]]') < 1
    assert seconds_for(f"[{'9' * 1_000_000}]") < 1


def test_deeply_shared_structures_are_read_in_linear_time() -> None:
    """A list that holds the next one twice, a thousand times over, is a thousand lists."""
    text = "[" + ",".join(f"[{at + 1},{at + 1}]" for at in range(1_000)) + ",[]]"

    assert seconds_for(text) < 1


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_text_raises_anything_else(data: st.DataObject) -> None:
    """Whatever the elements are, reading gives a value or a SerializationError."""
    count = data.draw(st.integers(1, 12))
    indexes = st.integers(-8, count + 1)
    keys = st.sampled_from(["a", "classId", "data", "name", "message", "stack", "stepId", "cause", "source", "args"])
    class_ids = [
        f"class//python//{kind}" for kind in ("tuple", "frozenset", "Decimal", "exception//builtins:ValueError")
    ]
    elements = st.one_of(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        st.sampled_from([*class_ids, "class//./p//P", "2024-01-01T00:00:00.000Z", "AQID", "."]),
        st.lists(indexes, max_size=4),
        st.dictionaries(keys, indexes, max_size=4),
        st.tuples(st.sampled_from(NAMES), st.lists(indexes | st.text(max_size=3), max_size=3)).map(
            lambda named: [named[0], *named[1]]
        ),
        st.tuples(st.sampled_from(NAMES), indexes).map(list),
    )
    text = json.dumps(data.draw(st.lists(elements, min_size=count, max_size=count)))

    with contextlib.suppress(SerializationError):
        parse(text)


def test_no_damage_to_a_text_raises_anything_else() -> None:
    """Ten thousand flips, cuts and doublings of a real text are read or refused."""
    generator = random.Random(5)
    value = {"a": [1, (2.5, {3}), b"xyz", ValueError("m")], "b": {1: {"c": None}}, "é": 2**70}
    original = devalue.encode(value, TABLE)
    for _ in range(10_000):
        text = bytearray(original)
        for _ in range(generator.randint(1, 3)):
            at = generator.randrange(len(text))
            match generator.randrange(3):
                case 0:
                    text[at] = generator.choice(b'[]{},:"-0123456789ax\xff')
                case 1:
                    del text[at : at + generator.randint(1, 8)]
                case _:
                    text[at:at] = text[at : at + generator.randint(1, 8)]
        with contextlib.suppress(SerializationError):
            devalue.decode(bytes(text), TABLE)


SHARED = 20_000
"""Values that read the same payload, in a text of half a megabyte."""


@pytest.mark.parametrize(
    ("entry", "payload"),
    [
        ('["Uint8Array",1]', f'"{"A" * 200_000}"'),
        ('["BigInt",1]', f'"{"9" * 4_000}"'),
        ('["Set",1]', f"[{','.join(str(SHARED + 2 + at) for at in range(SHARED))}]"),
        ('["Uint8Array",1,0,3]', f'["ArrayBuffer","{"A" * 200_000}"]'),
    ],
    ids=["bytes", "ints", "sets", "views"],
)
def test_what_many_values_share_is_not_copied_without_end(entry: str, payload: str) -> None:
    """A text of little could describe gigabytes."""
    root = ",".join(str(at + 2) for at in range(SHARED))
    numbers = ",".join(map(str, range(SHARED)))
    text = f"[[{root}],{payload},{','.join([entry] * SHARED)},{numbers}]"

    with pytest.raises(SerializationError, match="repeats its parts to more than 67108864 bytes"):
        parse(text)


def test_values_may_share_what_they_are_made_of() -> None:
    """Equal byte strings stand in a text once and come back one by one."""
    values = [bytes(1_000_000) for _ in range(20)]

    read = there_and_back(values)

    assert read == values
    assert read[0] is not read[1]
