"""
Signatures by a shared secret: HMAC-SHA256, compared in constant time, with a time that tells a replay.

Steps that another service carries out, and what it calls back, are signed so: the header ``Torpor-Signature`` has
``v1=`` and the signature of ``TIME.STEP.BODY``, where TIME is ``Torpor-Timestamp`` and STEP is ``Torpor-Step-Id``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from torpor.errors import SignatureError

TOLERANCE_SECONDS: Final = 300
"""How far the clocks of two services may be apart, and how long a message may be on its way."""

STEP_ID: Final = "Torpor-Step-Id"
TIMESTAMP: Final = "Torpor-Timestamp"
SIGNATURE: Final = "Torpor-Signature"

_VERSION: Final = "v1="
_TIME_DIGITS_MAX: Final = 12


def hexadecimal(secret: bytes, signed: bytes) -> str:
    """Return the HMAC-SHA256 of *signed* in hexadecimal."""
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


def is_one_of(expected: str, given: Iterable[str]) -> bool:
    """Tell whether a signature is among those given, in a time that says nothing of how much of it was right."""
    found = False
    for each in given:
        found |= hmac.compare_digest(expected.encode(), each.encode("utf-8", "surrogateescape"))
    return found


def check_time(text: str, now_s: int, tolerance_s: int) -> None:
    """
    Check that a signed time, epoch seconds, is about now.

    Raises:
        SignatureError: it is no time, or another one.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _TIME_DIGITS_MAX):
        raise SignatureError("the timestamp of the request's signature is none")
    away = abs(now_s - int(text))
    if away > tolerance_s:
        raise SignatureError(
            f"the request was signed {away} s away from the time here, and {tolerance_s} s are allowed; if it is not a "
            f"replay, set the clocks"
        )


def signed_headers(secret: str, step_id: str, body: bytes, now: int) -> dict[str, str]:
    """Return the headers that sign what is said of a step; *now* is epoch milliseconds."""
    time = str(now // 1000)
    return {STEP_ID: step_id, TIMESTAMP: time, SIGNATURE: _signature(secret, time, step_id, body)}


def check_signed(secret: str, headers: Mapping[str, str], body: bytes, now: int) -> str:
    """
    Check who says something of a step, and return the id of the step.

    Args:
        secret: that is shared.
        headers: by name, whatever its case.
        body: what is said.
        now: epoch milliseconds.

    Raises:
        SignatureError: it is not signed, not by who has the secret, or too long ago.
    """
    step_id, time, given = (headers.get(name, "") for name in (STEP_ID, TIMESTAMP, SIGNATURE))
    if not (step_id and time and given):
        raise SignatureError(f"the request is not signed: it needs {STEP_ID}, {TIMESTAMP} and {SIGNATURE}")
    if not is_one_of(_signature(secret, time, step_id, body), given.split()):
        raise SignatureError("the request's signature is not that of this body under the secret that is shared")
    check_time(time, now // 1000, TOLERANCE_SECONDS)
    return step_id


def _signature(secret: str, time: str, step_id: str, body: bytes) -> str:
    signed = f"{time}.{step_id}.".encode("utf-8", "surrogateescape") + body
    return f"{_VERSION}{hexadecimal(secret.encode(), signed)}"
