"""
Webhooks: hooks that the public reaches by HTTP, and how each of them answers.

What a webhook wants is said by its run's code and travels where a hook says what it takes: the requests of anybody, or
of those who sign them. So every world carries it that carries hooks.
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import quote

import msgspec

Answer = Literal["accepted", "static", "manual"]

ROUTE: Final = "/.well-known/workflow/v1/webhook/"
"""Where webhooks are reached, followed by the token."""

WEBHOOK: Final = "webhook:"
"""What a webhook's ``takes`` begins with. No class is called so, since what follows is an object in JSON."""


class Webhook(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    How a webhook answers, and whom it believes.

    Attributes:
        answer: ``accepted``: 202 without a body; ``static``: always *response*; ``manual``: what the run says.
        response: codec text of the static response; packed by the run's codec where it is stored.
        verify: name of the scheme by which requests are signed, ``""`` when they are not; see
            :mod:`torpor.webhooks.verifying`.
        secret: name of the environment variable that has the secret, never the secret itself.
        header: of the scheme ``hmac``, which header has the signature.
        tolerance_s: how old a signed timestamp may be, seconds; 0 for what the scheme says.
    """

    answer: Answer = "accepted"
    response: str = ""
    verify: str = ""
    secret: str = ""
    header: str = ""
    tolerance_s: int = 0


def takes_requests(webhook: Webhook) -> str:
    """Return what :attr:`torpor.model.Hook.takes` says of a webhook."""
    return WEBHOOK + msgspec.json.encode(webhook).decode()


def webhook_of(takes: str) -> Webhook | None:
    """
    Return the webhook that a hook is, None for one that only ``resume_hook`` reaches.

    Raises:
        ValueError: it says that it is a webhook, and what follows is nothing that a sound guest would write.
    """
    if not takes.startswith(WEBHOOK):
        return None
    try:
        return msgspec.json.decode(takes.removeprefix(WEBHOOK), type=Webhook)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{takes:.80} describes no webhook: {error}") from error


def path_of(token: str) -> str:
    """Return the path at which a webhook is reached."""
    return ROUTE + quote(token, safe="")
