"""
The database server of a soak, and what befalls it: connections that are cut, stillness, restarts, crashes, and the
primary's death, behind which a standby that has lost nothing takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.servers.databases import Server, wait_until

_CUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid() AND random() < {}"
)
_CAUGHT_UP: Final = (
    "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '{}'::pg_lsn AND state = 'streaming'"
)


class Database:
    """
    Two servers, of which one is at work.

    Args:
        home: folder for both.
        dice: what happens.

    Attributes:
        done: what befell them, counted.
        goes_away, is_away: see :class:`tests.crash.soak.trouble.Trouble`.
    """

    def __init__(self, home: Path, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._dice = dice
        self._primary, self._standby = Server(home, 1), Server(home, 2)
        self.goes_away: Callable[[], None] = lambda: None
        self.is_away = False
        self._going_on: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of a world on whichever of the two takes writes."""
        places = [self._primary.place, self._standby.place]
        hosts, ports = (",".join(str(place[n]) for place in places) for n in (0, 1))
        return f"postgres://postgres@/postgres?host={hosts}&port={ports}&target_session_attrs=read-write"

    def make(self) -> None:
        """Make and start the first one."""
        self._primary.make()
        self._primary.start()

    def stop(self) -> None:
        """End both."""
        self._primary.stop(signal.SIGQUIT)
        self._standby.stop(signal.SIGQUIT)

    async def strike(self, lease_seconds: float) -> None:
        """Do one of all that, as the dice say."""
        roll, dice = self._dice.random(), self._dice
        if self._going_on is not None and not self._going_on.done():
            return  # what is begun is brought to its end
        if roll < 0.45:
            await self._cut(dice.choice((0.3, 1.0)))
        elif roll < 0.6:
            await self._freeze(dice.uniform(0.1, lease_seconds * 1.3))
        elif roll < 0.9:
            self._going_on = asyncio.create_task(self._restart(dice.choice((signal.SIGINT, signal.SIGQUIT))))
        else:
            self._going_on = asyncio.create_task(self._fail_over())

    async def mend(self) -> None:
        """Wait until all that was begun has ended."""
        if self._going_on is not None:
            await self._going_on
            self._going_on = None

    async def _cut(self, share: float) -> None:
        await asyncio.to_thread(self._primary.execute, _CUT.format(share))
        self.done["database connections cut"] += 1

    async def _freeze(self, seconds: float) -> None:
        """Let the server stand still, all of its processes."""
        parent = psutil.Process(self._primary.pid)
        family = [parent, *parent.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        self.done["database frozen"] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.resume()

    async def _restart(self, how: signal.Signals) -> None:
        async with self._away():
            await asyncio.to_thread(self._primary.stop, how)
            await asyncio.sleep(self._dice.uniform(0, 0.5))
            await asyncio.to_thread(self._primary.start)
        self.done["database restarted" if how == signal.SIGINT else "database crashed"] += 1

    async def _fail_over(self) -> None:
        """Make a standby of the primary, wait until nothing is confirmed that it lacks, and let it take over."""
        await asyncio.to_thread(self._replicate)
        await asyncio.sleep(self._dice.uniform(0, 1))
        async with self._away():
            await asyncio.to_thread(self._primary.stop, signal.SIGQUIT)
            await asyncio.to_thread(self._standby.promote)
            self._primary, self._standby = self._standby, self._primary
        self.done["database failed over"] += 1

    @asynccontextmanager
    async def _away(self) -> AsyncIterator[None]:
        self.is_away = True
        self.goes_away()
        try:
            yield
        finally:
            self.is_away = False

    def _replicate(self) -> None:
        primary, standby = self._primary, self._standby
        standby.wipe()
        standby.copy(primary)
        standby.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        wait_until(lambda: bool(primary.execute(_CAUGHT_UP.format("0/0"))), "the standby is synchronous")
        [(place,)] = primary.execute("SELECT pg_current_wal_lsn()::text")
        wait_until(lambda: bool(primary.execute(_CAUGHT_UP.format(place))), "the standby has all")
