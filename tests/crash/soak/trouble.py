"""What befalls a world that is a process, or is behind one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol


class Trouble(Protocol):
    """
    Somebody who makes trouble where workers have their world from.

    Attributes:
        done: what was done, counted.
        goes_away: to be called whenever nobody can reach the world for a while.
    """

    done: Counter[str]
    goes_away: Callable[[], None]

    @property
    def is_away(self) -> bool:
        """Whether that is so now, so that a worker that starts cannot come to work."""
        ...

    async def strike(self, lease_seconds: float) -> None:
        """Do one thing, as the dice say; workers have leases of so many seconds."""
        ...

    async def mend(self) -> None:
        """Let all be well again."""
        ...
