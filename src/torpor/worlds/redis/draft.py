"""
A transaction in the making: what was read must still be so, and what is to be written is written then, at once.

Rows are fields of hashes. Who reads one notes what it was; who writes one finds it so afterwards. The server compares
and writes in one piece (:mod:`.scripts`), so that nothing needs a lock: who was too late begins anew.
"""

from __future__ import annotations

from typing import Any, Final

from torpor.worlds.redis.connection import Connection
from torpor.worlds.redis.scripts import KINDS

Fields = dict[bytes, bytes]

_TOGETHER: Final = 1_000
"""Arguments of one command: Lua's stack is finite."""


class Draft:
    """
    Checks and writes.

    Args:
        connection: where is read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._checks: dict[tuple[bytes, bytes], bytes] = {}
        self._pending: dict[bytes, dict[bytes, bytes | None]] = {}
        self._writes: list[list[Any]] = []

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be stored."""
        return not self._writes

    @property
    def size(self) -> int:
        """How much is to be stored; it grows with each write."""
        return len(self._writes)

    def give_up(self) -> None:
        """Write nothing; what was read must still be so."""
        self._writes.clear()

    def wanted(self) -> dict[bytes, bytes]:
        """Return of each key of which type it must be."""
        found = {key: KINDS["HSET"] for key, _ in self._checks}
        for name, *rest in ([*write] if write[0] != "?" else [*write[1:]] for write in self._writes):
            if name in KINDS:
                found[rest[0]] = KINDS[name]
        return found

    def group(self) -> list[Any]:
        """Return it as arguments of the script that stores."""
        arguments: list[Any] = [len(self._checks)]
        for (key, field), value in self._checks.items():
            arguments += (key, field, value)
        arguments.append(len(self._writes))
        for write in self._writes:
            arguments.append(len(write))
            arguments += write
        return arguments

    # Reading

    def expect(self, key: bytes, field: bytes, value: bytes | None) -> None:
        """Have nothing stored unless a field is still so; what was expected first counts."""
        self._checks.setdefault((key, field), b"-" if value is None else b"+" + value)

    def expect_beginning(self, key: bytes, field: bytes, value: bytes) -> None:
        """Do the same with a field that still begins so."""
        self._checks.setdefault((key, field), b"^" + value)

    def read(self, key: bytes, found: Fields) -> Fields:
        """Return the fields of a hash that was read, as they will be."""
        pending = self._pending.get(key)
        if not pending:
            return found
        merged = {**found, **{field: value for field, value in pending.items() if value is not None}}
        return {field: value for field, value in merged.items() if pending.get(field, value) is not None}

    def field(self, key: bytes, field: bytes, found: bytes | None, *, expected: bool = True) -> bytes | None:
        """Return a field that was read, as it will be; it must stay so if told."""
        if expected:
            self.expect(key, field, found)
        return self._pending.get(key, {}).get(field, found)

    def get(self, key: bytes, field: bytes) -> bytes | None:
        """Read one field, which must stay so."""
        pending = self._pending.get(key, {})
        if field in pending:
            return pending[field]
        [found] = self._connection.ask(("HGET", key, field))
        return self.field(key, field, found)

    def get_all(self, key: bytes, fields: list[bytes]) -> list[bytes | None]:
        """Read some fields of one hash, which must stay so."""
        if not fields:
            return []
        [found] = self._connection.ask(("HMGET", key, *fields))
        return [self.field(key, field, value) for field, value in zip(fields, found, strict=True)]

    # Writing

    def put(self, key: bytes, values: Fields) -> None:
        """Set fields."""
        if values:
            self._pending.setdefault(key, {}).update(values)
            self._many("HSET", key, [part for field in values.items() for part in field])

    def add_field(self, key: bytes, field: bytes, value: bytes) -> None:
        """Set a field if it is not there."""
        self._writes.append(["HSETNX", key, field, value])

    def drop(self, key: bytes, fields: list[bytes]) -> None:
        """Take fields away."""
        if fields:
            self._pending.setdefault(key, {}).update(dict.fromkeys(fields))
            self._many("HDEL", key, fields)

    def add(self, key: bytes, score: int, member: bytes) -> None:
        """Put a member into a sorted set, or move it there."""
        self._writes.append(["ZADD", key, score, member])

    def remove(self, key: bytes, member: bytes) -> None:
        """Take a member out of a sorted set."""
        self._writes.append(["ZREM", key, member])

    def append(self, key: bytes, values: list[bytes]) -> None:
        """Put values at the end of a list."""
        self._many("RPUSH", key, values)

    def trim(self, key: bytes, count: int) -> None:
        """Take values from the beginning of a list."""
        self._writes.append(["LTRIM", key, count, -1])

    def unlink(self, keys: list[bytes]) -> None:
        """Forget keys; the server gives their memory back by and by."""
        self._many("UNLINK", None, keys)

    def write(self, *command: Any) -> None:
        """Carry another command out."""
        self._writes.append([*command])

    def touch(self, key: bytes, field: bytes, value: bytes) -> None:
        """Set a field if there is such a hash."""
        self._writes.append(["?", "HSET", key, field, value])

    def _many(self, command: str, key: bytes | None, values: list[bytes]) -> None:
        for at in range(0, len(values), _TOGETHER):
            self._writes.append([command, *([] if key is None else [key]), *values[at : at + _TOGETHER]])
