"""
The connection on which a server tells what has changed.

It is made when somebody first listens, and whatever is asked meanwhile waits for it: so who listens and then looks
misses nothing. After one that broke, listeners are told that anything may have changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Final

import httpx

from torpor.errors import ConfigurationError, TorporError
from torpor.model import Notice
from torpor.retries import Backoff
from torpor.worlds.http.connection import Connection
from torpor.worlds.http.contract import PATH
from torpor.worlds.http.frames import ANYTHING, PING_SECONDS, notices
from torpor.worlds.notifier import Notifier

_BACKOFF: Final = Backoff(first=0.1, most=5.0)
_SILENCE_SECONDS: Final = 2.5 * PING_SECONDS
_EXPECTED_MAX: Final = 10_000

_log = logging.getLogger("torpor.worlds")


class Listening:
    """
    Hears a server's notices while somebody listens.

    Args:
        connection: the way to the server.
        notifier: tells listeners.
    """

    def __init__(self, connection: Connection, notifier: Notifier) -> None:
        self._connection = connection
        self._notifier = notifier
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._expected: Counter[Notice] = Counter()

    def begin(self) -> None:
        """Hear from now on."""
        if self._task is None and self._connection.is_open:
            self._tried.clear()
            self._task = asyncio.get_running_loop().create_task(self._hear())

    async def ready(self) -> None:
        """Return once nothing that is stored from now on can be missed, or nobody answers."""
        if self._task is not None and not self._tried.is_set():
            await self._tried.wait()

    async def stop(self) -> None:
        """Hear no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def tell(self, notice: Notice) -> None:
        """
        Tell at once what this process itself has changed, before its answer is used; the server's own notice of it
        comes later, and is not told again.
        """
        if self._task is None:
            return
        if self._expected.total() < _EXPECTED_MAX:
            self._expected[notice] += 1
        self._notifier.notify(notice)

    async def _hear(self) -> None:
        failures = 0
        while True:
            try:
                async with self._connection.stream(f"{PATH}/notices", silence_seconds=_SILENCE_SECONDS) as pieces:
                    self._expected.clear()
                    is_first = True
                    async for notice in notices(pieces):
                        failures = 0
                        if is_first and self._tried.is_set():  # there may have been some before
                            self._notifier.notify(ANYTHING)
                        is_first = False
                        self._tried.set()
                        if notice is not None:
                            self._told(notice)
            except (httpx.TransportError, TorporError) as error:
                if isinstance(error, ConfigurationError):
                    _log.warning("nothing is heard of changes: %s", error)
            self._tried.set()
            failures += 1
            await asyncio.sleep(_BACKOFF.delay_ms(failures) / 1000)

    def _told(self, notice: Notice) -> None:
        if self._expected[notice] > 0:
            self._expected[notice] -= 1
            return
        del self._expected[notice]
        self._notifier.notify(notice)
