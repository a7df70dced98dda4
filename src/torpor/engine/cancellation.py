"""Why a run was cancelled, as it is stored and as it is told."""

from __future__ import annotations

from typing import Final

from torpor.codec.crypto.run_codec import RunCodec
from torpor.errors import UsageError
from torpor.limits import CANCEL_REASON_CHARS_MAX
from torpor.model import BY_PARENT

_TOLD_BY_PARENT: Final = "the run that started it was cancelled"


def pack_reason(reason: str, run_codec: RunCodec) -> str:
    """
    Return what is stored of a reason.

    Raises:
        UsageError: it is longer than :data:`torpor.limits.CANCEL_REASON_CHARS_MAX`.
    """
    if len(reason) > CANCEL_REASON_CHARS_MAX:
        raise UsageError(
            f"cancel: the reason has {len(reason)} characters, {CANCEL_REASON_CHARS_MAX} are kept; shorten it"
        )
    return run_codec.pack_text(reason) if reason else ""


def reason_of(stored: str, run_codec: RunCodec) -> str:
    """
    Return the reason of a cancellation, ``""`` when nobody gave one.

    Raises:
        SerializationError, KeyMissingError: it cannot be read.
    """
    if not stored:
        return ""
    return _TOLD_BY_PARENT if stored == BY_PARENT else run_codec.unpack_text(stored, from_outside=True)
