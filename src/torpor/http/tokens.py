"""
Tokens: what they are, and where a world keeps them.

A token is ``tpr_ID_SECRET``. Kept is the hash of its secret, as a blob of the world: a token never changes, and is
revoked by forgetting it, so that every world has room for them. See docs/adr/0051.

This needs no web framework, so that tokens are made wherever there is a world.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from torpor.world import World

Role = Literal["read", "operate", "decrypt", "work", "steps"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_TEXT: Final = re.compile(r"tpr_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
BLOBS: Final = "token/"
"""What the keys of their blobs begin with."""

_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32


class Token(msgspec.Struct, frozen=True):
    """
    Something that its bearer may do.

    Attributes:
        id: public half of it.
        hash: SHA-256 of its secret half.
        name: what people call it, ``""`` for nothing.
        roles: ``read`` runs and what is plain in them; ``operate``: start, cancel, resume and the like as well;
            ``decrypt``: see what is encrypted; ``work``: carry runs out, for workers that have the world behind a URL;
            ``steps``: carry steps out, and do what steps may, for step workers.
        queues, workflows: it is only about runs in these queues, of these workflows (short or full names); empty for
            all.
        created_at: when it was made, epoch milliseconds.
        expires_at: until when it is valid, 0 for ever.
    """

    id: str
    hash: bytes
    name: str
    roles: tuple[Role, ...]
    queues: tuple[str, ...]
    workflows: tuple[str, ...]
    created_at: int
    expires_at: int = 0


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
    """Return a new token, which is stored nowhere yet; see :class:`Token`."""
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    token = Token(token_id, secret_hash(secret), name, roles, queues, workflows, now, expires_at)
    return Made(token, f"tpr_{token_id}_{secret}")


def halves_of(text: str) -> tuple[str, str] | None:
    """Return id and secret of a token, None if it is none."""
    found = _TEXT.fullmatch(text)
    return None if found is None else (found[1], found[2])


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a secret. It has 256 random bits, so that one pass is enough."""
    return hashlib.sha256(secret.encode()).digest()


async def store_token(world: World, token: Token) -> None:
    """Make a token valid in a world."""
    await world.put_blob(f"{BLOBS}{token.id}", msgspec.json.encode(token))


async def read_token(world: World, token_id: str) -> Token | None:
    """Return a token that is valid in a world, None when there is none, or it is damaged."""
    data = await world.blob(f"{BLOBS}{token_id}")
    try:
        token = None if data is None else msgspec.json.decode(data, type=Token)
    except msgspec.DecodeError:
        return None
    return token if token is not None and token.id == token_id else None


async def list_tokens(world: World) -> list[Token]:
    """Return the tokens that are valid in a world, the oldest first."""
    ids = [key.removeprefix(BLOBS) for key in await world.blob_sizes(BLOBS)]
    found = [await read_token(world, token_id) for token_id in ids]
    return sorted((token for token in found if token is not None), key=lambda token: (token.created_at, token.id))


async def revoke_token(world: World, token_id: str) -> bool:
    """Make a token invalid from now on; return whether there was one."""
    key = f"{BLOBS}{token_id}"
    if not await world.has_blob(key):
        return False
    await world.delete_blob(key)
    return True
