"""Webhooks: hooks that the public reaches by HTTP, with requests as payloads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from torpor.codec.guest import text_of
from torpor.codec.requests import Response
from torpor.durations import Duration
from torpor.errors import UsageError
from torpor.limits import WEBHOOK_RESPONSE_CHARS_MAX
from torpor.webhook_options import checked

from .hooks import Hook, checked_token
from .run import run
from .unawaited import hook_made, hook_used

_ROUTE = "/.well-known/workflow/v1/webhook/"


class Webhook(Hook):
    """
    A live webhook: a :class:`Hook` whose payloads are the requests that come to its address.

    Attributes:
        token: which ends its address.
    """

    @property
    def url(self) -> str:
        """Its address; the path alone where the address of the application's front door was not known."""
        hook_used(self.op)
        return f"{run.url}{_ROUTE}{quote(self._token, safe='')}"


def webhook(
    *,
    respond_with: Response | str | None = None,
    token: str | None = None,
    metadata: Any = None,
    verify: str | None = None,
    secret: str | None = None,
    header: str | None = None,
    tolerance: Duration | None = None,
) -> Webhook:
    """
    Create a webhook: a hook with an address, to which anybody may send a request, or whoever signs it.

    Args:
        respond_with: what callers get: nothing, with status 202, by default; a Response, always the same; or
            ``"manual"``: what ``await request.respond_with(…)`` says, in a step or here.
        token: ends the address, 1 to 256 characters; without it an unguessable one is made.
        metadata: stored beside the hook for whoever looks it up.
        verify: how requests are signed: ``github``, ``stripe``, ``slack``, ``standard`` or ``hmac``.
        secret: the name of the environment variable that has the secret, where the front door is.
        header: of ``hmac``: which header has the signature.
        tolerance: how old a signed timestamp may be; five minutes by default.

    Raises:
        UsageError: one of them makes no sense.
        SerializationError: the metadata cannot be stored.
    """
    token = checked_token("webhook", token)
    answer = "accepted" if respond_with is None else "static" if isinstance(respond_with, Response) else respond_with
    if answer not in ("accepted", "manual") and not isinstance(respond_with, Response):
        raise UsageError(f"webhook: respond_with is a Response, or 'manual', or left out, not {respond_with!r:.100}")
    options = checked(answer, verify, secret, header, tolerance)
    fields = {"takes": f"webhook:{json.dumps(options, separators=(',', ':'))}"}
    if isinstance(respond_with, Response):
        fields["response"] = _static(respond_with)
    made = Webhook(token, metadata, fields=fields)
    hook_made(made.op, token)
    return made


def _static(response: Response) -> str:
    response.bytes()  # a stream would not be there for the next caller
    text = text_of(response, "webhook: respond_with")
    if len(text) > WEBHOOK_RESPONSE_CHARS_MAX:
        raise UsageError(
            f"webhook: the static response has {len(text)} characters as it is stored; up to "
            f"{WEBHOOK_RESPONSE_CHARS_MAX} are allowed; answer by respond_with='manual'"
        )
    return text
