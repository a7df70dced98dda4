"""Notifications that come late, and twice: whoever is told of a change looks for itself, so that it must not matter."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from torpor.model import Notice
from torpor.worlds.notifier import Listener, Notifier

LATE: Final = 0.1
TWICE: Final = 0.1
"""How many of all notifications come late, and twice."""

_LATE_SECONDS: Final = 1.0


def spread(dice: random.Random) -> None:
    """Let all notifications of this process go so from now on, whatever its world is."""
    tell = Notifier._tell

    def told(self: Notifier, key: object, listener: Listener, notice: Notice) -> None:
        roll = dice.random()
        if roll < LATE:
            delay = dice.uniform(0, _LATE_SECONDS)
            asyncio.get_running_loop().call_later(delay, tell, self, key, listener, notice)
            return
        tell(self, key, listener, notice)
        if roll < LATE + TWICE:
            tell(self, key, listener, notice)

    Notifier._tell = told  # type: ignore[method-assign]  # the point of it
