"""
A bound for hashing what a text made.

A text of a few bytes can describe a tuple whose hash takes hours, because the hash of a tuple visits a shared member
once for every path to it, or thousands of numbers that all have the same hash. Both are refused before a set or dict is
made of them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

VISITS_MAX = 100_000
"""Members that hashing one key may visit."""

LEVELS_MAX = 200
"""Tuples inside one another that a key may have; hashing recurses."""

COLLISIONS_MAX = 1_000
"""Keys of one set or dict that may have the same hash."""


def check_keys(keys: Sequence[Any]) -> None:
    """Raise ValueError if a set of these keys would take far longer to make than the text took to read."""
    visits: dict[int, tuple[int, int]] = {}
    for key in keys:
        if _members(key):
            _check_visits(key, visits)
    if len(keys) > COLLISIONS_MAX:
        _, most = Counter(map(hash, keys)).most_common(1)[0]
        if most > COLLISIONS_MAX:
            raise ValueError(f"{most} of its {len(keys)} keys have the same hash")


def _check_visits(root: Any, known: dict[int, tuple[int, int]]) -> None:
    """Count visits and levels of a key, each shared member once; *known* keeps what was counted, by identity."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        key, is_entered = stack.pop()
        if is_entered:
            below = [known[id(member)] for member in _members(key)]
            visits = 1 + sum(count for count, _ in below)
            levels = 1 + max((level for _, level in below), default=0)
            if visits > VISITS_MAX or levels > LEVELS_MAX:
                raise ValueError(f"a key with {visits} members on {levels} levels is too costly to hash")
            known[id(key)] = visits, levels
        elif id(key) not in known:
            known[id(key)] = VISITS_MAX, 0  # until it is counted; only a cycle looks here earlier
            stack.append((key, True))
            stack.extend((member, False) for member in _members(key))


def _members(key: Any) -> Iterable[Any]:
    """Return what the hash of a key is made of, if that is more than the key itself."""
    if isinstance(key, tuple):
        return key
    if dataclasses.is_dataclass(key) and type(key).__hash__ is not object.__hash__:
        return [getattr(key, field.name) for field in dataclasses.fields(key)]
    return ()
