"""Webhooks as workflow code has them: types and documentation. What works only inside a run refuses here."""

from __future__ import annotations

from typing import Any, Literal

from torpor.codec.requests import Request, Response
from torpor.durations import Duration
from torpor.errors import OutsideWorkflowError
from torpor.workflow import Hook


class Webhook(Hook[Request]):
    """
    A live webhook: a :class:`torpor.Hook` whose payloads are the requests that come to its address.

    Attributes:
        token: which ends its address.
        url: its address; the path alone where the address of the application's front door was not known when the run
            began: ``Torpor(url=…)``.
    """

    url: str


def webhook(
    *,
    respond_with: Response | Literal["manual"] | None = None,  # noqa: ARG001  # this one is for types
    token: str | None = None,  # noqa: ARG001  # as above
    metadata: Any = None,  # noqa: ARG001  # as above
    verify: Literal["github", "stripe", "slack", "standard", "hmac"] | None = None,  # noqa: ARG001  # as above
    secret: str | None = None,  # noqa: ARG001  # as above
    header: str | None = None,  # noqa: ARG001  # as above
    tolerance: Duration | None = None,  # noqa: ARG001  # as above
) -> Webhook:
    """
    Create a webhook: a hook with an address, to which anybody may send a request, or whoever signs it. For workflow
    code.

    Args:
        respond_with: what callers get: nothing, with status 202, by default; a Response, always the same; or
            ``"manual"``: what ``await request.respond_with(…)`` says, in a step or in workflow code.
        token: ends the address, 1 to 256 characters; without it an unguessable one is made.
        metadata: stored beside the hook for whoever looks it up.
        verify: how requests are signed; others are refused with status 401. ``github``, ``stripe``, ``slack``,
            ``standard`` (Standard Webhooks), or ``hmac``: HMAC-SHA256 of the body, in hexadecimal or base64.
        secret: the name of the environment variable that has the secret, where the front door is.
        header: of ``hmac``: which header has the signature.
        tolerance: how old a signed timestamp may be: seconds, text such as ``"5m"``, or a timedelta; five minutes by
            default.

    Raises:
        UsageError: one of them makes no sense.
        SerializationError: the metadata cannot be stored.
        OutsideWorkflowError: called outside of a run.
    """
    raise OutsideWorkflowError(
        "torpor.webhook works in a workflow that runs, not here; start a run of the workflow with app.start, or "
        "replace it in a unit test"
    )
