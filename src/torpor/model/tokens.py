"""Tokens: who may do what by HTTP."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

Role = Literal["read", "operate", "decrypt"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Token(msgspec.Struct, frozen=True):
    """
    Something that its bearer may do.

    Attributes:
        id: public half of it.
        hash: SHA-256 of its secret half.
        name: what people call it, ``""`` for nothing.
        roles: ``read`` runs and what is plain in them; ``operate``: start, cancel, resume and the like as well;
            ``decrypt``: see what is encrypted.
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
