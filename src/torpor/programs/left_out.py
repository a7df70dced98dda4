"""What stayed outside of a program, and why: the report that a builder gives beside it."""

from __future__ import annotations

import msgspec


class LeftOut(msgspec.Struct, frozen=True):
    """
    Something that stayed outside.

    Attributes:
        what: a module, or the names that a statement defines or acts on.
        where: ``./app.py:12``, or the file.
        why: the reason, in words.
    """

    what: str
    where: str
    why: str
