"""
Values ⇄ bytes.

``dumps`` and ``loads`` are for Python values. A guest encodes and decodes its own values and exchanges *texts* with the
host, which begin with ``devl``: ``unpack_devalue`` takes one out of an envelope, ``pack_devalue`` puts one into it.

Raises, all four of them:
    SerializationError: a value cannot be stored, or bytes cannot be read; says which part, why, and what to do.
    LimitExceededError: larger than :data:`torpor.limits.PAYLOAD_BYTES_MAX`.
"""

from __future__ import annotations

from typing import Any

from torpor.clock import SystemClock
from torpor.codec.errors import JavaScriptError, PythonError, RemoteError
from torpor.codec.types.custom import register, serializable
from torpor.codec.types.references import References, name_step, recognise, reviving
from torpor.codec.types.table import standard_table
from torpor.codec.values import UNDEFINED, Encoded
from torpor.codec.wire import devalue
from torpor.codec.wire.envelope import DEVALUE, pack, pack_binary, unpack, unpack_binary
from torpor.errors import LimitExceededError, SerializationError

__all__ = [
    "UNDEFINED",
    "JavaScriptError",
    "PythonError",
    "References",
    "RemoteError",
    "dumps",
    "loads",
    "name_step",
    "pack_binary",
    "pack_devalue",
    "recognise",
    "register",
    "serializable",
    "unpack_binary",
    "unpack_devalue",
]

_table = standard_table(SystemClock())


def dumps(value: object, what: str = "", *, compress: bool = True) -> bytes:
    """
    Return the envelope of a value.

    Args:
        value: what to store; an :class:`~torpor.codec.values.Encoded` is stored as it is.
        what: what the value is, such as ``the result of step charge``; the error for a part that cannot be stored
            begins with it.
        compress: whether it is compressed where that saves something; chunks of streams are not, as in the SDK.
    """
    if isinstance(value, Encoded):
        return value.envelope
    try:
        return pack(DEVALUE + devalue.encode(value, _table), compress=compress)
    except (SerializationError, LimitExceededError) as error:
        if what:
            raise type(error)(f"{what} cannot be stored: {error}") from error
        raise


def loads(data: bytes, references: References | None = None) -> Any:
    """
    Return the value in an envelope.

    Args:
        references: makes step functions, workflows and run handles of the references in it; without, they stay what
            :func:`torpor.codec.types.references.revive_with` was told.
    """
    text = unpack(data)[len(DEVALUE) :]
    if references is None:
        return devalue.decode(text, _table)
    with reviving(references):
        return devalue.decode(text, _table)


def unpack_devalue(data: bytes) -> str:
    """Return the text in an envelope, ``devl`` included."""
    try:
        return unpack(data).decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"the payload is damaged: it is not UTF-8 ({error})") from error


def pack_devalue(text: str) -> bytes:
    """Return the envelope of a text that begins with ``devl``."""
    if not text.startswith("devl"):
        raise SerializationError(f"a guest returned {text[:20]!r}, which is no codec text; it would begin with 'devl'")
    return pack(devalue.utf8(text))
