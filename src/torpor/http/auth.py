"""
Who asks: the bearer of a token, with roles, and scopes that narrow what it is about. Nothing is open by default.

A browser that was let in by a link (:mod:`torpor.http.dev`) sends its token as a cookie, which it does whoever has
written the page: what changes something must then come from a page of this server.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from starlette.requests import HTTPConnection

from torpor.http.problems import ForbiddenError, UnauthorizedError
from torpor.http.tokens import ROLES, Role, Token, halves_of, secret_hash
from torpor.programs.catalogue import short_name

Needed = Literal["open", "read", "operate", "decrypt", "work", "steps"]
"""What a route needs: nothing, or a role."""

IMPLIED: Final[dict[Role, frozenset[Role]]] = {
    "read": frozenset({"read"}),
    "operate": frozenset({"operate", "read"}),
    "decrypt": frozenset({"decrypt", "read"}),
    "work": frozenset({"work", "steps", "operate", "read"}),
    "steps": frozenset({"steps"}),
}
"""What each role may."""

COOKIE: Final = "torpor_token"
"""Has the token of a browser that was let in by a link."""

FindToken = Callable[[str], Awaitable[Token | None]]
"""Returns the token of an id, None when there is none."""


class Grant(NamedTuple):
    """
    What somebody may.

    Attributes:
        who: for the audit: name and id of the token.
        roles: with all that they imply.
        queues, workflows: what it is limited to, empty for all.
    """

    who: str
    roles: frozenset[str]
    queues: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it is about the whole world."""
        return not self.queues and not self.workflows

    @property
    def decrypts(self) -> bool:
        """Whether what is encrypted is shown."""
        return "decrypt" in self.roles

    def covers(self, workflow: str, queue: str) -> bool:
        """Return whether a run of a workflow, given by its full name, in a queue is one that it is about."""
        in_queue = not self.queues or queue in self.queues
        return in_queue and (not self.workflows or bool({workflow, short_name(workflow)} & {*self.workflows}))

    def require(self, needed: Needed) -> None:
        """
        Do nothing if it may do what needs a role.

        Raises:
            ForbiddenError: it may not.
        """
        if needed != "open" and needed not in self.roles:
            have = ", ".join(sorted(self.roles)) or "none"
            raise ForbiddenError(f"this takes a token with the role {needed}, and the one given has: {have}")

    def require_whole(self) -> None:
        """
        Do nothing if it is about the whole world.

        Raises:
            ForbiddenError: it is limited to queues or workflows.
        """
        if not self.is_whole:
            raise ForbiddenError("this tells of the whole world, and the token given is for some queues or workflows")


NOBODY: Final = Grant("nobody", frozenset())
"""Who comes without a token: what is open is open to them."""


class Guard:
    """
    Tells who asks.

    Args:
        find: finds tokens.
        now: tells the time, epoch milliseconds.
    """

    def __init__(self, find: FindToken, now: Callable[[], int]) -> None:
        self._find = find
        self._now = now

    async def grant(self, request: HTTPConnection, *, acts: bool) -> Grant:
        """
        Return what the sender of a request may.

        Args:
            request: which.
            acts: whether it changes something.

        Raises:
            UnauthorizedError: it has no token that is valid.
            ForbiddenError: it comes from a page of somebody else.
        """
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if not scheme and COOKIE in request.cookies:
            text = request.cookies[COOKIE]
            if acts and not is_own_page(request):
                raise ForbiddenError(
                    "a browser has sent this from a page that is not this server's; send the token as a header instead"
                )
        elif scheme.lower() != "bearer" or not text.strip():
            raise UnauthorizedError("this takes a token: send the header `Authorization: Bearer tpr_…`")
        token = await self.token(text.strip())
        if token is None:
            raise UnauthorizedError("the token is unknown, revoked or expired: ask for another one")
        roles = frozenset[str]().union(*(IMPLIED[role] for role in token.roles if role in ROLES))
        return Grant(f"{token.name or 'token'} ({token.id})", roles, token.queues, token.workflows)

    async def token(self, text: str) -> Token | None:
        """Return the token that a text stands for, None when it is not valid."""
        halves = halves_of(text)
        if halves is None:
            return None
        token = await self._find(halves[0])
        if token is None or not hmac.compare_digest(token.hash, secret_hash(halves[1])):
            return None
        return token if not token.expires_at or self._now() < token.expires_at else None


def is_own_page(request: HTTPConnection) -> bool:
    """Return whether a page of this server has sent a request: browsers say so, and pages cannot change it."""
    if (
        request.headers.get("sec-fetch-site") == "same-origin"
    ):  # said over TLS and on loopback; a proxy hides the scheme
        return True
    return request.headers.get("origin", "") == f"{request.url.scheme}://{request.headers.get('host', '')}"
