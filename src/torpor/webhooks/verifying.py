"""
How senders sign requests, by name: pure functions of a request, a secret and the time.

========== ============================================ ====================== ==================================
scheme     what is signed, by HMAC-SHA256               where the signature is what tells a redelivery
========== ============================================ ====================== ==================================
github     the body                                     X-Hub-Signature-256    X-GitHub-Delivery, which is unsigned
stripe     ``time.body``                                Stripe-Signature       ``id`` of the event
slack      ``v0:time:body``                             X-Slack-Signature      ``event_id`` of an event
standard   ``id.time.body`` (Standard Webhooks)         webhook-signature      webhook-id
hmac       the body                                     a header of your own   nothing
========== ============================================ ====================== ==================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from torpor.codec.values import Headers
from torpor.errors import ConfigurationError, SignatureError
from torpor.model.webhooks import Webhook
from torpor.signing import TOLERANCE_SECONDS, check_time, hexadecimal, is_one_of

_WHSEC: Final = "whsec_"


class Signed(NamedTuple):
    """
    A request whose signature is right.

    Attributes:
        delivery: what the sender calls it, also when it sends it again; ``""`` where the scheme has no such name.
    """

    delivery: str = ""


def verify(webhook: Webhook, secret: str, headers: Headers, body: bytes, now: int) -> Signed:
    """
    Check who has sent a request.

    Args:
        webhook: says by which scheme, and how old a timestamp may be.
        secret: shared with the sender.
        headers, body: of the request.
        now: epoch milliseconds.

    Raises:
        SignatureError: it is not signed, not by who has the secret, or too long ago; nothing of the secret is told.
        ConfigurationError: there is no such scheme, or the secret is none of its kind.
    """
    scheme = _SCHEMES.get(webhook.verify)
    if scheme is None:
        known = ", ".join(map(repr, _SCHEMES))
        raise ConfigurationError(f"a webhook is to be verified by {webhook.verify!r}, which is unknown; known: {known}")
    return scheme(webhook, secret, headers, body, now // 1000)


def _github(_webhook: Webhook, secret: str, headers: Headers, body: bytes, _now_s: int) -> Signed:
    given = _needed(headers, "x-hub-signature-256")
    _check(f"sha256={hexadecimal(secret.encode(), body)}", [given])
    return Signed(headers.get("x-github-delivery", "") or "")


def _stripe(webhook: Webhook, secret: str, headers: Headers, body: bytes, now_s: int) -> Signed:
    pairs = [part.strip().partition("=") for part in _needed(headers, "stripe-signature").split(",")]
    time = next((value for name, _, value in pairs if name == "t"), "")
    expected = hexadecimal(secret.encode(), time.encode("utf-8", "surrogateescape") + b"." + body)
    _check(expected, [value for name, _, value in pairs if name == "v1"])
    check_time(time, now_s, webhook.tolerance_s or TOLERANCE_SECONDS)
    return Signed(_text_in(body, "id"))


def _slack(webhook: Webhook, secret: str, headers: Headers, body: bytes, now_s: int) -> Signed:
    time = _needed(headers, "x-slack-request-timestamp")
    signed = b"v0:" + time.encode("utf-8", "surrogateescape") + b":" + body
    _check(f"v0={hexadecimal(secret.encode(), signed)}", [_needed(headers, "x-slack-signature")])
    check_time(time, now_s, webhook.tolerance_s or TOLERANCE_SECONDS)
    return Signed(_text_in(body, "event_id"))


def _standard(webhook: Webhook, secret: str, headers: Headers, body: bytes, now_s: int) -> Signed:
    try:
        key = base64.b64decode(secret.removeprefix(_WHSEC), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(
            f"the secret in {webhook.secret} is no secret of Standard Webhooks; that is whsec_ and base64"
        ) from None
    delivery, time = _needed(headers, "webhook-id"), _needed(headers, "webhook-timestamp")
    signed = f"{delivery}.{time}.".encode("utf-8", "surrogateescape") + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    _check(f"v1,{expected}", _needed(headers, "webhook-signature").split())
    check_time(time, now_s, webhook.tolerance_s or TOLERANCE_SECONDS)
    return Signed(delivery)


def _hmac(webhook: Webhook, secret: str, headers: Headers, body: bytes, _now_s: int) -> Signed:
    given = _needed(headers, webhook.header).removeprefix("sha256=")
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    # The two spellings differ in length, so that which one was given is no secret.
    is_hexadecimal = is_one_of(digest.hex(), [given.lower()])
    if not (is_hexadecimal or is_one_of(base64.b64encode(digest).decode(), [given])):
        raise _wrong()
    return Signed()


_SCHEMES: Final[dict[str, Callable[[Webhook, str, Headers, bytes, int], Signed]]] = {
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "standard": _standard,
    "hmac": _hmac,
}


def _check(expected: str, given: Iterable[str]) -> None:
    if not is_one_of(expected, given):
        raise _wrong()


def _wrong() -> SignatureError:
    return SignatureError("the request's signature is not that of this body under the secret that is shared")


def _needed(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise SignatureError(f"the request has no header {name}, so that nobody knows who has sent it")
    return value


def _text_in(body: bytes, name: str) -> str:
    """Return a field of a body in JSON, ``""`` where there is no such text."""
    value = json_of(body)
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def json_of(body: bytes) -> Any:
    """Return what a body is in JSON, None when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
