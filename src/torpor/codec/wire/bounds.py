"""
Bounds for what a small text can ask for.

**Hashing.** A text of a few bytes can describe a tuple whose hash takes hours, because the hash of a tuple visits a
shared member once for every path to it, or thousands of numbers that all have the same hash. Both are refused before a
set or dict is made of them.

**Repeats.** Equal strings stand in a text once, so that a megabyte could describe ten thousand byte strings of a
megabyte each, or as many tuples of the same members. Each payload may be read once for nothing; what is read again
counts.
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
REPEATED_BYTES_MAX = 64 * 1024 * 1024
"""About what may be made, in one text, of payloads that were read before."""

_MEMBER_BYTES = 32
_SMALL = 64


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


class Repeats:
    """What one text has read more than once."""

    def __init__(self) -> None:
        self._read: set[int] = set()
        self._bytes = 0

    def count(self, payload: Any) -> None:
        """
        Count the reading of a payload, which must not be gone before the next.

        Raises:
            ValueError: the text makes too much of too little.
        """
        if type(payload) is dict:
            for part in _parts(payload):
                self._count(part)
        self._count(payload)

    def _count(self, part: Any) -> None:
        if not isinstance(part, str | bytes | list | dict) or len(part) < _SMALL:
            return
        if id(part) not in self._read:
            self._read.add(id(part))
            return
        self._bytes += len(part) * (1 if isinstance(part, str | bytes) else _MEMBER_BYTES)
        if self._bytes > REPEATED_BYTES_MAX:
            raise ValueError(f"the text repeats its parts to more than {REPEATED_BYTES_MAX} bytes")


def _parts(payload: dict[str, Any]) -> list[Any]:
    """Return what is copied of a payload with members: the data of an instance, the buffer of a view."""
    data = payload.get("data")
    parts = [data, payload.get("buffer")]
    if type(data) is dict and "stack" in data:  # an exception's
        parts += [data.get("args"), data.get("notes"), data.get("errors"), data.get("state")]
    return parts
