"""What worlds with a server tell other processes of a change: its kinds, and never which run it was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from torpor.model import Notice

KINDS: Final = ("work", "ended", "written", "hooked", "cancelling")
ALL: Final = Notice(None, work=True, ended=True, written=True, hooked=True)
"""Whoever has not heard for a while what there was looks at everything."""


def kinds_of(notice: Notice) -> set[str]:
    """Return what others are told of a change, nothing when nobody wants to hear of it."""
    kinds = {kind for kind in KINDS if getattr(notice, kind)}
    return kinds if kinds - {"cancelling"} else set()


def news_of(kinds: Iterable[str], origin: str) -> str:
    """Return a message that says of what kinds a change was, and whose."""
    return " ".join([origin, *sorted(kinds)])


def heard(messages: Iterable[str], origin: str) -> Notice | None:
    """Return what messages say together, None when they are no news to the one who is *origin*."""
    kinds: set[str] = set()
    for message in messages:
        whose, *its = message.split()
        if whose != origin:
            kinds.update(its)
    return msgspec.convert(dict.fromkeys(kinds.intersection(KINDS), True), Notice) if kinds else None
