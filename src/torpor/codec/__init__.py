"""
Values ⇄ bytes.

``dumps`` and ``loads`` are for Python values. A guest encodes and decodes its own values and exchanges *texts* with the
host, which begin with ``devl``: ``text_of`` gives it one out of an envelope, ``from_text`` seals one that it made.

Raises, all four of them:
    SerializationError: a value cannot be stored, or bytes cannot be read; says which part, why, and what to do.
    LimitExceededError: larger than :data:`torpor.limits.PAYLOAD_BYTES_MAX`.
"""

from __future__ import annotations

from typing import Any

from torpor.clock import SystemClock
from torpor.codec import devalue
from torpor.codec.envelope import DEVALUE, seal, seal_binary, unseal, unseal_binary
from torpor.codec.errors import JavaScriptError, PythonError, RemoteError
from torpor.codec.table import standard_table
from torpor.codec.values import UNDEFINED
from torpor.errors import SerializationError

__all__ = [
    "UNDEFINED",
    "JavaScriptError",
    "PythonError",
    "RemoteError",
    "dumps",
    "from_text",
    "loads",
    "seal_binary",
    "text_of",
    "unseal_binary",
]

_table = standard_table(SystemClock())


def dumps(value: object) -> bytes:
    """Return the envelope of a value."""
    return seal(DEVALUE + devalue.encode(value, _table))


def loads(data: bytes) -> Any:
    """Return the value in an envelope."""
    return devalue.decode(unseal(data)[len(DEVALUE) :], _table)


def text_of(data: bytes) -> str:
    """Return the text in an envelope, ``devl`` included."""
    try:
        return unseal(data).decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the payload is damaged: it is not UTF-8 ({error})") from error


def from_text(text: str) -> bytes:
    """Return the envelope of a text that begins with ``devl``."""
    if not text.startswith("devl"):
        raise SerializationError(f"a guest returned {text[:20]!r}, which is no codec text; it would begin with 'devl'")
    return seal(devalue.utf8(text))
