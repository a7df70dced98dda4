"""Whether a worker's host is well: one that lacks memory or descriptors claims no runs for a while, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from torpor.clock import Clock
from torpor.engine.observer import Observer, WorkerUnwell
from torpor.retries import Backoff

_BACKOFF = Backoff(first=0.5, most=30.0)


class Health:
    """
    What a worker's turns have met of its host.

    Args:
        clock: the world's; pauses are measured by its steady time.
        recovered: called when runs may be claimed again.
        observe: is told when they may not.
    """

    def __init__(self, clock: Clock, recovered: Callable[[], None], observe: Observer) -> None:
        self._observe = observe
        self._clock = clock
        self._recovered = recovered
        self._failures = 0  # since a turn went well
        self._pause: asyncio.Task[None] | None = None

    @property
    def is_well(self) -> bool:
        """Whether runs may be claimed."""
        return self._pause is None

    def failed(self, error: Exception) -> None:
        """Claim no runs for a while: they would fare no better than the one that met this error."""
        if self._pause is None:
            self._failures += 1
            delay = _BACKOFF.delay_ms(self._failures)
            self._observe(WorkerUnwell(error, delay))
            self._pause = asyncio.get_running_loop().create_task(self._over(delay))

    def turn_ended(self) -> None:
        """Take note of the end of a turn, which went well unless the host has failed."""
        if self._pause is None:
            self._failures = 0

    def close(self) -> None:
        """End the pause."""
        if self._pause is not None:
            self._pause.cancel()

    async def _over(self, delay_ms: int) -> None:
        await self._clock.sleep(delay_ms)
        self._pause = None
        self._recovered()
