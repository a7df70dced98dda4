"""Signatures of requests, against what their senders have published."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from torpor.codec.values import Headers
from torpor.errors import ConfigurationError, SignatureError
from torpor.model.webhooks import Webhook
from torpor.webhooks.verifying import verify

# What GitHub's page "Validating webhook deliveries" tells to test with.
GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_BODY = b"Hello, World!"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

# The example of Slack's page "Verifying requests from Slack".
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_TIME = 1531420618
SLACK_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

# The event that the tests of Stripe's own libraries verify.
STRIPE_SECRET = "webhook_secret"
STRIPE_TIME = 1533204620
STRIPE_SIGNATURE = "f0bdba6d4eacbd8ad8a3bbadd7248e633ec1477f7899c124c51b39405fa36613"
STRIPE_OLD_SIGNATURE = "63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
STRIPE_ITEM = {
    "id": "ii_123",
    "object": "invoiceitem",
    "amount": 1000,
    "currency": "usd",
    "customer": "cus_123",
    "date": STRIPE_TIME,
    "description": "Test Invoice Item",
    "discountable": False,
    "invoice": "in_123",
    "livemode": False,
    "metadata": {},
    "period": {"start": STRIPE_TIME, "end": STRIPE_TIME},
    "plan": None,
    "proration": False,
    "quantity": None,
    "subscription": None,
}
STRIPE_EVENT = {
    "id": "evt_123",
    "object": "event",
    "account": "acct_123",
    "api_version": "2017-05-25",
    "created": STRIPE_TIME,
    "data": {"object": STRIPE_ITEM},
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": "req_123", "idempotency_key": "idempotency-key-123"},
    "type": "invoiceitem.created",
}
STRIPE_BODY = f"{json.dumps(STRIPE_EVENT, indent=2)}\n".encode()

# The example of the Standard Webhooks libraries; the prefix apart, so that no scanner takes it for a secret.
STANDARD_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_TIME = 1614265330
STANDARD_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

GITHUB = Webhook(verify="github", secret="SECRET")
STRIPE = Webhook(verify="stripe", secret="SECRET")
SLACK = Webhook(verify="slack", secret="SECRET")
STANDARD = Webhook(verify="standard", secret="SECRET")
HMAC = Webhook(verify="hmac", secret="SECRET", header="X-Signature")

GITHUB_HEADERS = {"X-Hub-Signature-256": GITHUB_SIGNATURE, "X-GitHub-Delivery": "72d3162e"}
STRIPE_HEADERS = {"Stripe-Signature": f"t={STRIPE_TIME},v1={STRIPE_SIGNATURE},v0={STRIPE_OLD_SIGNATURE}"}
SLACK_HEADERS = {"X-Slack-Signature": SLACK_SIGNATURE, "X-Slack-Request-Timestamp": str(SLACK_TIME)}
STANDARD_HEADERS = {
    "webhook-id": STANDARD_ID,
    "webhook-timestamp": str(STANDARD_TIME),
    "webhook-signature": STANDARD_SIGNATURE,
}
HMAC_DIGEST = hmac.new(b"ours", b"body", hashlib.sha256).digest()


class Published(NamedTuple):
    """
    A request that a sender has published.

    Attributes:
        webhook, secret, headers, body: what it is.
        at: when it was signed, epoch seconds.
        delivery: what the sender calls it.
    """

    webhook: Webhook
    secret: str
    headers: dict[str, str]
    body: bytes
    at: int
    delivery: str

    def check(self, *, later: int = 0, **other: Any) -> str:
        """Verify it, or one that differs, so many seconds after it was signed, and return how it is called."""
        webhook, secret, headers, body, at, _ = self._replace(**other)
        return verify(webhook, secret, Headers(headers.items()), body, (at + later) * 1000).delivery


PUBLISHED = {
    "github": Published(GITHUB, GITHUB_SECRET, GITHUB_HEADERS, GITHUB_BODY, 0, "72d3162e"),
    "stripe": Published(STRIPE, STRIPE_SECRET, STRIPE_HEADERS, STRIPE_BODY, STRIPE_TIME, "evt_123"),
    "slack": Published(SLACK, SLACK_SECRET, SLACK_HEADERS, SLACK_BODY, SLACK_TIME, ""),
    "standard": Published(STANDARD, STANDARD_SECRET, STANDARD_HEADERS, STANDARD_BODY, STANDARD_TIME, STANDARD_ID),
    "hmac": Published(HMAC, "ours", {"x-signature": HMAC_DIGEST.hex()}, b"body", 0, ""),
}
TIMED = ["stripe", "slack", "standard"]


@pytest.mark.parametrize("scheme", PUBLISHED)
def test_what_is_published_is_verified(scheme: str) -> None:
    """And what the sender calls its delivery is known, where it calls it anything."""
    assert PUBLISHED[scheme].check() == PUBLISHED[scheme].delivery


@pytest.mark.parametrize("scheme", PUBLISHED)
def test_another_body_is_refused(scheme: str) -> None:
    """Be it longer by a space."""
    sent = PUBLISHED[scheme]
    with pytest.raises(SignatureError, match="signature is not that of this body"):
        sent.check(body=sent.body + b" ")


@pytest.mark.parametrize("scheme", PUBLISHED)
def test_another_secret_is_refused(scheme: str) -> None:
    """And the refusal does not tell the right one, nor the right signature."""
    sent = PUBLISHED[scheme]
    other = f"{sent.secret[:-1]}x"
    with pytest.raises(SignatureError) as refused:
        sent.check(secret=other)
    assert other not in str(refused.value)
    assert not any(value in str(refused.value) for value in sent.headers.values())


@pytest.mark.parametrize("scheme", PUBLISHED)
def test_an_unsigned_request_is_refused(scheme: str) -> None:
    """The refusal names the header that is not there."""
    with pytest.raises(SignatureError, match="the request has no header"):
        PUBLISHED[scheme].check(headers={})


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("later", [300, -300])
def test_clocks_may_differ_by_five_minutes(scheme: str, later: int) -> None:
    """Either way."""
    assert PUBLISHED[scheme].check(later=later) == PUBLISHED[scheme].delivery


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("later", [301, -301])
def test_a_replay_is_refused(scheme: str, later: int) -> None:
    """What was signed too long ago, or too late from now."""
    with pytest.raises(SignatureError, match="was signed 301 s away from the time here"):
        PUBLISHED[scheme].check(later=later)


@pytest.mark.parametrize("scheme", TIMED)
def test_tolerance_is_the_authors(scheme: str) -> None:
    """In either direction."""
    sent = PUBLISHED[scheme]
    sent.check(webhook=replace(sent.webhook, tolerance_s=3600), later=3600)
    with pytest.raises(SignatureError, match="1 s are allowed"):
        sent.check(webhook=replace(sent.webhook, tolerance_s=1), later=2)


def test_a_timestamp_is_signed() -> None:
    """One that is put forward does not make a replay fresh."""
    header = {"Stripe-Signature": f"t={STRIPE_TIME + 900},v1={STRIPE_SIGNATURE}"}
    with pytest.raises(SignatureError, match="signature is not that of this body"):
        PUBLISHED["stripe"].check(headers=header, later=900)


def test_stripe_signs_by_several_secrets_while_one_is_rolled() -> None:
    """One of the signatures is enough; an old scheme's is none."""
    rolled = {"Stripe-Signature": f"t={STRIPE_TIME},v1={'0' * 64},v1={STRIPE_SIGNATURE}"}
    assert PUBLISHED["stripe"].check(headers=rolled) == "evt_123"
    old = {"Stripe-Signature": f"t={STRIPE_TIME},v0={STRIPE_SIGNATURE}"}
    with pytest.raises(SignatureError):
        PUBLISHED["stripe"].check(headers=old)


def test_standard_webhooks_sign_by_several_secrets_while_one_is_rolled() -> None:
    """One of the signatures is enough."""
    rolled = {**STANDARD_HEADERS, "webhook-signature": f"v1,{'A' * 43}= {STANDARD_SIGNATURE}"}
    assert PUBLISHED["standard"].check(headers=rolled) == STANDARD_ID


def test_an_event_of_slack_has_an_id() -> None:
    """By which a redelivery is known."""
    body = b'{"type": "event_callback", "event_id": "Ev123"}'
    mark = hmac.new(SLACK_SECRET.encode(), f"v0:{SLACK_TIME}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {**SLACK_HEADERS, "X-Slack-Signature": f"v0={mark}"}
    assert PUBLISHED["slack"].check(headers=headers, body=body) == "Ev123"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(f"sha256={HMAC_DIGEST.hex()}", id="prefix"),
        pytest.param(HMAC_DIGEST.hex().upper(), id="upper"),
        pytest.param(base64.b64encode(HMAC_DIGEST).decode(), id="base64"),
    ],
)
def test_hmac_has_several_spellings(given: str) -> None:
    """As senders have."""
    PUBLISHED["hmac"].check(headers={"x-signature": given})


@pytest.mark.parametrize("time", ["", "soon", "-1", "1e9", "\uff19", "9" * 20])
def test_a_time_that_is_none_is_refused(time: str) -> None:
    """Whoever has signed it."""
    mark = hmac.new(SLACK_SECRET.encode(), f"v0:{time}:{{}}".encode(), hashlib.sha256).hexdigest()
    headers = {"X-Slack-Signature": f"v0={mark}", "X-Slack-Request-Timestamp": time}
    with pytest.raises(SignatureError, match=r"timestamp|no header"):
        PUBLISHED["slack"].check(headers=headers, body=b"{}", at=0)


@pytest.mark.parametrize("signature", ["ü", "\udcff", "\0"])
def test_signatures_of_any_characters_are_refused(signature: str) -> None:
    """As signatures, and not by an error of ours."""
    with pytest.raises(SignatureError):
        PUBLISHED["github"].check(headers={"X-Hub-Signature-256": signature})
    with pytest.raises(SignatureError):
        PUBLISHED["stripe"].check(headers={"Stripe-Signature": f"t={signature},v1={signature}"})


def test_what_cannot_be_verified_by_is_told() -> None:
    """A scheme that there is not, and a secret that is none of its kind; the secret itself is not told."""
    with pytest.raises(ConfigurationError, match="'paypal', which is unknown; known: 'github'"):
        PUBLISHED["github"].check(webhook=Webhook(verify="paypal", secret="SECRET"))
    with pytest.raises(ConfigurationError, match="the secret in SECRET is no secret of Standard Webhooks") as told:
        PUBLISHED["standard"].check(secret="whsec_%%%")
    assert "%%%" not in str(told.value)
