"""
Of whom this server has heard, and since when it can hear: nobody is silent before the server is there to hear him, nor
while his sign of life waits in it.

Workers that have their world behind this server send it signs of life; while it is away, restarts or stands still, none
of them can. The world alone, which knows nothing of servers, would take all of them for dead as soon as it is back. And
where heartbeats wait behind commits, because the world is busy, they have come all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, Final

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import Heartbeat, WorkerRow
from torpor.world import World

_LOOK_SECONDS: Final = 1.0
_STILL_SECONDS: Final = 2.0
"""Looks that are further apart than this were made by a process that stood still in between."""

_HEARD_MAX: Final = 10_000


class Hearing:
    """
    What this server has heard.

    Attributes:
        since: steady time from which on it has heard whatever was said; None before the first request.
    """

    def __init__(self) -> None:
        self.since: int | None = None
        self._heard: dict[str, int] = {}  # steady time, by worker; who was heard last is last

    def begin(self, clock: Clock) -> bool:
        """Hear from now on; return whether this is the first request."""
        if self.since is not None:
            return False
        self.since = clock.steady()
        return True

    def hear(self, worker_id: str, clock: Clock) -> None:
        """Note that a sign of life has come."""
        self._heard.pop(worker_id, None)
        self._heard[worker_id] = clock.steady()
        if len(self._heard) > _HEARD_MAX:
            del self._heard[next(iter(self._heard))]

    def known(self, worker: WorkerRow, clock: Clock) -> WorkerRow:
        """Return a worker as this server knows it: it may have been heard of since the world was told."""
        heard = max(self._heard.get(worker.id, 0), self.since or 0)
        return replace(worker, silent_ms=max(0, min(worker.silent_ms, clock.steady() - heard)))

    def all_known(self, workers: Iterable[WorkerRow], clock: Clock) -> list[WorkerRow]:
        """Return all of them so."""
        return [self.known(worker, clock) for worker in workers]

    async def listen(self, clock: Clock) -> None:
        """Notice, for as long as the server is there, when it has stood still."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look(clock, loop.time() - looked)
            looked = loop.time()

    def look(self, clock: Clock, seconds: float) -> None:
        """Take note that so much time has passed since the last look."""
        if seconds > _STILL_SECONDS:
            self.since = clock.steady()

    async def answer(self, world: World, name: str, arguments: dict[str, Any]) -> Any:
        """Carry out a method of the world that tells of workers, or takes what they have claimed."""
        if name == "heartbeat":
            self.hear(arguments["worker_id"], world.clock)
        value = await getattr(world, name)(**await self._checked(world, name, arguments))
        if isinstance(value, Heartbeat):
            return replace(value, others=tuple(self.all_known(value.others, world.clock)))
        return self.all_known(value, world.clock) if name == "workers" else value

    async def _checked(self, world: World, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Leave out of a release those of whom this server has heard, if only the expired are meant."""
        if name != "release" or not arguments.get("expired_only"):
            return arguments
        alive = {row.id for row in self.all_known(await world.workers(), world.clock) if not row.expired}
        asked: Collection[str] = arguments["worker_ids"]
        return arguments | {"worker_ids": [worker_id for worker_id in asked if worker_id not in alive]}


ANSWERED: Final = frozenset({"heartbeat", "release", "workers"})
"""Methods that :meth:`Hearing.answer` carries out."""
