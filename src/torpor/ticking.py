"""
One tick: work off what is ready in a process that may end or freeze behind it, and say when the next one is due.

A tick is a worker that lives until nothing is ready. It begins as every worker does, so that what a process left behind
that died or was frozen is taken over, and ends as every worker does, so that nothing of it stays in the process.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from torpor.clock import Clock
from torpor.engine.observer import Observation, Stored
from torpor.engine.worker import Worker
from torpor.errors import ConfigurationError, HostError
from torpor.scheduler import Scheduler

Wake = Callable[[datetime, str], Awaitable[object] | object]
"""
Called with a moment, a whole second in UTC, and a name: sees to it that a tick happens then. The same moment has the
same name, of letters, digits, ``-`` and ``_``, 64 at most; who has set that one already need do nothing.
"""

_APP_CHARS: Final = 36

_log = logging.getLogger("torpor.engine")


class Tick(msgspec.Struct, frozen=True):
    """
    What a tick did.

    Attributes:
        runs: how many runs it advanced: something of them was stored.
        next_at: when the next one is due; None when only the outside can make a run go on.
        more: the budget was spent while something was ready or going on, so that the next one is due at once.
    """

    runs: int
    next_at: datetime | None
    more: bool


class Ticking:
    """
    A tick in the making.

    Args:
        clock: the world's.
        budget_ms: how long it works.
    """

    def __init__(self, clock: Clock, budget_ms: int) -> None:
        self._clock = clock
        self._budget_ms = budget_ms
        self._advanced: set[str] = set()
        self._next_at: int | None = None
        self._more = False

    def observe(self, observation: Observation) -> None:
        """Count what the worker stores."""
        assert isinstance(observation, Stored)
        self._advanced.add(observation.run_id)

    async def work(self, worker: Worker, scheduler: Scheduler) -> None:
        """
        Let a worker that has begun work until nothing is ready, or the budget is spent.

        Raises:
            TorporError: the world failed.
        """
        await scheduler.begin()
        loop = asyncio.get_running_loop()
        working = loop.create_task(self._until_quiet(worker, scheduler))
        alarm = loop.create_task(self._clock.sleep(self._budget_ms))
        try:
            await asyncio.wait((working, alarm), return_when=asyncio.FIRST_COMPLETED)
            self._more = not working.done()
            if not self._more:
                self._next_at = working.result()
        finally:
            alarm.cancel()
            working.cancel()
            await asyncio.wait((working, alarm))

    def ended(self) -> Tick:
        """Return what it did, once the worker has stopped."""
        due = self._clock.now() if self._more else self._next_at
        next_at = None if due is None else datetime.fromtimestamp(due / 1000, UTC)
        return Tick(len(self._advanced), next_at, self._more)

    async def _until_quiet(self, worker: Worker, scheduler: Scheduler) -> int | None:
        """Return once only the clock or the outside can make runs go on, when the clock will."""
        changed = asyncio.Event()
        worker.on_change(changed.set)
        await _keep_schedules(worker, scheduler)
        kept_up = False
        while True:
            changed.clear()
            if not (worker.is_quiet() and worker.is_well):
                await changed.wait()
                continue
            if not kept_up:
                await _keep_up(worker)
                kept_up = True
            slot = await _keep_schedules(worker, scheduler)  # the end of a run may have let one go on
            if worker.is_quiet() and not changed.is_set():
                return min((due for due in (slot, worker.next_at) if due is not None), default=None)


async def _keep_schedules(worker: Worker, scheduler: Scheduler) -> int | None:
    """Start what is due, for the worker to take; return when the next is."""
    started = scheduler.started
    slot = await scheduler.round()
    if scheduler.started > started:
        worker.look()  # before it hears of them
    return slot


async def _keep_up(worker: Worker) -> None:
    """Let a worker do what no run waits for; what this host cannot do is another's to do."""
    try:
        await worker.keep_up()
    except (ConfigurationError, HostError) as error:
        _log.warning("the upkeep of a tick failed: %s", error)


async def call_wake(wake: Wake, app: str, tick: Tick) -> None:
    """
    Let somebody see to it that the next tick happens, if one is due.

    The moment is a whole second behind the due one, and not this second's: a name that was called once may be taken for
    good, and what is called now must not have happened yet.
    """
    if tick.next_at is None:
        return
    second = int(tick.next_at.timestamp()) + 1
    called = wake(datetime.fromtimestamp(second, UTC), "-".join(filter(None, ("torpor", _plain(app), str(second)))))
    if inspect.isawaitable(called):
        await called


def _plain(app: str) -> str:
    """Return an application's name in the characters of names, with a digest where it says less than the name did."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", app)[:_APP_CHARS]
    return plain if plain == app else f"{plain}-{hashlib.sha256(app.encode()).hexdigest()[:8]}"
