"""
A bound for what is made of payloads that several values share.

Equal strings stand in a text once, so that a megabyte could describe ten thousand byte strings of a megabyte each, or
as many tuples of the same members. Each payload may be read once for nothing; what is read again counts.
"""

from __future__ import annotations

from typing import Any

REPEATED_BYTES_MAX = 64 * 1024 * 1024
"""About what may be made, in one text, of payloads that were read before."""

_MEMBER_BYTES = 32
_SMALL = 64


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
