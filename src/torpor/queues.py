"""Queues with limits as their users see them: ``app.queues``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec

from torpor.client import Client
from torpor.durations import read_rate
from torpor.errors import ConfigurationError
from torpor.model.flow import Asleep, Limits, QueueInfo
from torpor.world import World

Unset = Literal[-1]
UNSET: Final[Unset] = -1
"""In place of a limit: what it was."""


class Queues:
    """
    The queues of an application, or of all of a world.

    Args:
        client: whose world; its application's queues, or those of any when it has none.
        opened: is awaited before the world is used.
    """

    def __init__(self, client: Client, *, opened: Callable[[], Awaitable[None]] | None = None) -> None:
        self._app = client.app
        self._world: World = client.world
        self._opened = opened

    async def set(
        self,
        name: str,
        *,
        concurrency: int = UNSET,
        per_worker: int = UNSET,
        per_key: int = UNSET,
        rate: str | int | None = None,
        asleep: Asleep | None = None,
    ) -> QueueInfo:
        """
        Say what a queue allows, at any time; what is not said stays as it was, and 0 takes a limit away.

        Args:
            name: of the queue.
            concurrency: how many runs and steps have a slot at once.
            per_worker: how many of them at one worker.
            per_key: how many of them of one key.
            rate: how much weight begins in a while, such as ``"10/s"`` or ``"90000/m"``; a run weighs 1, a step what
                its ``weight=`` says.
            asleep: ``hold``: a run has its slot from its beginning to its end; ``give_back``: while it is awake.

        Raises:
            ConfigurationError: a limit makes no sense.
        """
        info = await self.get(name)
        count, period_ms = (info.limits.rate, info.limits.period_ms) if rate is None else checked_rate(rate)
        given = {"concurrency": concurrency, "per_worker": per_worker, "per_key": per_key}
        limits = msgspec.structs.replace(
            info.limits,
            **{field: number for field, number in given.items() if number != UNSET},
            rate=count,
            period_ms=period_ms,
            asleep=asleep or info.limits.asleep,
        )
        if limits.asleep not in ("hold", "give_back"):
            raise ConfigurationError(
                f"queue {name!r}: asleep={limits.asleep!r} is unknown; there are hold and give_back"
            )
        await self._world.set_queue(info.app, name, limits)
        return await self.get(name)

    async def get(self, name: str) -> QueueInfo:
        """
        Return a queue; one that nobody has set has no limits.

        Raises:
            ConfigurationError: several applications have one of this name, or could.
        """
        found = [info for info in await self.list() if info.name == name]
        if len(found) > 1:
            apps = ", ".join(repr(info.app) for info in found)
            raise ConfigurationError(
                f"several applications have a queue {name!r}: {apps}; say which one is meant: Client(world, app=…), or "
                f"--app-name"
            )
        return found[0] if found else QueueInfo(await self._named_app(name), name, Limits())

    async def _named_app(self, name: str) -> str:
        """Return the application that a queue is of which nobody has used yet."""
        if self._app is not None:
            return self._app
        apps = sorted({deployment.app for deployment in await self._world.deployments()})
        if len(apps) > 1:
            raise ConfigurationError(
                f"several applications may have a queue {name!r}: {', '.join(map(repr, apps))}; say which one is "
                f"meant: Client(world, app=…), or --app-name"
            )
        return apps[0] if apps else ""

    async def list(self) -> list[QueueInfo]:
        """Return the queues that were set, and those in which something waits or has a slot, by name."""
        if self._opened is not None:
            await self._opened()
        return await self._world.queues(self._app)

    async def delete(self, name: str) -> None:
        """Take all limits away from a queue."""
        info = await self.get(name)
        await self._world.delete_queue(info.app, name)


def checked_rate(rate: str | int) -> tuple[int, int]:
    """
    Return how much a rate is, and in how many milliseconds.

    Raises:
        ConfigurationError: it is no rate.
    """
    try:
        return read_rate(rate)
    except ValueError as error:
        raise ConfigurationError(
            f"rate={rate!r} is no rate ({error}); write it like '10/s', '5000/m' or '3/2h'"
        ) from None


def rate_text(limits: Limits) -> str:
    """Return a rate as people write it, ``""`` for none."""
    if not limits.rate:
        return ""
    units = {1_000: "s", 60_000: "m", 3_600_000: "h", 86_400_000: "d"}
    return f"{limits.rate}/{units.get(limits.period_ms, f'{limits.period_ms} ms')}"


def limits_text(limits: Limits) -> str:
    """Return limits in few words, such as ``10 at once, 10/s``; ``no limits`` for none."""
    told = [
        f"{number} {words}"
        for number, words in (
            (limits.concurrency, "at once"),
            (limits.per_worker, "per worker"),
            (limits.per_key, "per key"),
        )
        if number
    ]
    told += [rate_text(limits)] if limits.rate else []
    told += ["slots given back asleep"] if told and limits.asleep == "give_back" else []
    return ", ".join(told) or "no limits"
