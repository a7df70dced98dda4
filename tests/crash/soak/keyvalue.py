"""
The Redis server of a soak, which keeps a log of what it has, and what befalls it: connections that are cut, stillness,
restarts and crashes.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from typing import Final

import psutil

from tests.redis_server import RedisServer

KEPT: Final = ("--appendonly", "yes", "--appendfsync", "everysec")
"""A process that is killed loses nothing by it: what it has written the kernel has."""


class KeyValue:
    """
    A server, and what makes trouble for it.

    Args:
        server: it runs.
        dice: what happens.

    Attributes:
        done: what befell it, counted.
        goes_away, is_away: see :class:`tests.crash.soak.trouble.Trouble`.
    """

    def __init__(self, server: RedisServer, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.goes_away: Callable[[], None] = lambda: None
        self.is_away = False
        self._server, self._dice = server, dice
        self._going_on: asyncio.Task[None] | None = None

    async def strike(self, lease_seconds: float) -> None:
        """Do one of all that, as the dice say."""
        roll, dice = self._dice.random(), self._dice
        if self._going_on is not None and not self._going_on.done():
            return  # what is begun is brought to its end
        if roll < 0.4:
            await asyncio.to_thread(self._server.execute, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            self.done["database connections cut"] += 1
        elif roll < 0.6:
            await self._freeze(dice.uniform(0.1, lease_seconds * 1.3))
        else:
            self._going_on = asyncio.create_task(self._restart(dice.choice((self._server.stop, self._server.kill))))

    async def mend(self) -> None:
        """Wait until all that was begun has ended."""
        if self._going_on is not None:
            await self._going_on
            self._going_on = None

    async def _freeze(self, seconds: float) -> None:
        process = psutil.Process(self._server.pid)
        process.send_signal(signal.SIGSTOP)
        self.done["database frozen"] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            process.send_signal(signal.SIGCONT)

    async def _restart(self, end: Callable[[], None]) -> None:
        self.is_away = True
        self.goes_away()
        try:
            await asyncio.to_thread(end)
            await asyncio.sleep(self._dice.uniform(0, 0.5))
            await asyncio.to_thread(self._server.start)
        finally:
            self.is_away = False
        self.done["database restarted" if end == self._server.stop else "database crashed"] += 1
