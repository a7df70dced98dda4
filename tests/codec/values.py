"""Any value that Python has, and any that JavaScript writes again with the same bytes."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.codec.classes_of_an_application import Color, Frozen, Pair, Permission
from torpor.codec.values import URL, BigInt, RegExp

Values = st.SearchStrategy[Any]

_ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.binary(max_size=8),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.sampled_from([*Color, *Permission, Permission(3), BigInt(5), RegExp("a", "g"), URL("https://e.x/"), range(3)]),
)


def _values(
    texts: st.SearchStrategy[str], floats: st.SearchStrategy[float], keys: st.SearchStrategy[str], members: int
) -> Values:
    leaves = _ATOMS | texts | floats
    hashable = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=members),
        max_leaves=5,
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(keys, inner, max_size=4),
            st.dictionaries(hashable, inner, max_size=3),
            st.sets(hashable, max_size=members),
            st.builds(Frozen, inner, inner),
            st.builds(Pair, inner, inner),
        ),
        max_leaves=8,
    )


_INFINITIES = (float("inf"), float("-inf"))
_PLACE = re.compile("0|[1-9][0-9]{0,9}")
_keys = st.text(max_size=8).filter(lambda key: key != "__proto__")
_floats = st.floats(allow_nan=False).filter(lambda number: number in _INFINITIES or number % 1 != 0)

python_values = _values(st.text(alphabet=st.characters(), max_size=8), _floats, _keys, 3)
"""JavaScript has one type for 1 and 1.0, so that integral floats, which come back as ints from there, are left out."""

common_values = _values(
    st.text(max_size=8),  # without halves of surrogate pairs, which the SDK loses
    # The languages change from digits to exponents at different sizes.
    _floats.filter(lambda number: number in _INFINITIES or 1e-4 < abs(number) < 1e15),
    # JavaScript puts keys that could be places of an array before all others.
    _keys.filter(lambda key: not _PLACE.fullmatch(key)),
    1,  # Python's sets have no order that lasts
)
"""What both languages write alike, however often it is read and written."""

_PER_EXAMPLE = 10


def generated(strategy: Values, count: int) -> list[Any]:
    """Return so many values of a strategy, always the same ones."""
    found: list[Any] = []

    @settings(
        max_examples=count // _PER_EXAMPLE,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(strategy, min_size=_PER_EXAMPLE, max_size=_PER_EXAMPLE))
    def gather(values: list[Any]) -> None:
        found.extend(values)

    gather()
    return found
