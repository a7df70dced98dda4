"""
Who asks: a bearer token, with roles, and scopes that narrow what it is about.

Nothing is open by default. A token is ``tpr_ID_SECRET``; what is kept of it is the hash of its secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from torpor.http.problems import ForbiddenError, UnauthorizedError
from torpor.model.tokens import ROLES, Role, Token
from torpor.programs.catalogue import short_name

Needed = Literal["open", "read", "operate", "decrypt"]
"""What a route needs: nothing, or a role."""

IMPLIED: Final[dict[Role, frozenset[Role]]] = {
    "read": frozenset({"read"}),
    "operate": frozenset({"operate", "read"}),
    "decrypt": frozenset({"decrypt", "read"}),
}
"""What each role may."""

PREFIX: Final = "tpr"
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32

FindToken = Callable[[str], Awaitable[Token | None]]
"""Returns the token of an id, None when there is none."""


class Made(NamedTuple):
    """A new token, and the text that is given to its user, which nobody can tell again."""

    token: Token
    text: str


def make_token(
    now: int,
    roles: tuple[Role, ...],
    *,
    name: str = "",
    queues: tuple[str, ...] = (),
    workflows: tuple[str, ...] = (),
    expires_at: int = 0,
) -> Made:
    """Return a new token; see :class:`torpor.model.tokens.Token`."""
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    token = Token(token_id, _hash(secret), name, roles, queues, workflows, now, expires_at)
    return Made(token, f"{PREFIX}_{token_id}_{secret}")


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

    async def grant(self, authorization: str) -> Grant:
        """
        Return what somebody may.

        Args:
            authorization: the header of that name, empty when there is none.

        Raises:
            UnauthorizedError: it has no token that is valid.
        """
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise UnauthorizedError("this takes a token: send the header `Authorization: Bearer tpr_…`")
        token = await self._token(text.strip())
        if token is None:
            raise UnauthorizedError("the token is unknown, revoked or expired: ask for another one")
        roles = frozenset[str]().union(*(IMPLIED[role] for role in token.roles if role in ROLES))
        return Grant(f"{token.name or 'token'} ({token.id})", roles, token.queues, token.workflows)

    async def _token(self, text: str) -> Token | None:
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not token_id.isascii() or not secret.isascii():
            return None
        token = await self._find(token_id)
        if token is None or not hmac.compare_digest(token.hash, _hash(secret)):
            return None
        return token if not token.expires_at or self._now() < token.expires_at else None


def _hash(secret: str) -> bytes:
    """Return what is kept of a secret. It has 256 random bits, so that one pass is enough."""
    return hashlib.sha256(secret.encode()).digest()
