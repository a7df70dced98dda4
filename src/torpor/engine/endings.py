"""Waiting for runs to end: one look at the world serves all who wait in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from torpor.attributes import MOVED
from torpor.errors import DamagedError, DeadlineExceededError, RunMovedError, TorporError
from torpor.lifecycle import RUN_TERMINAL, TRANSITIONS
from torpor.model import Ending, Event, Notice, Run
from torpor.world import World

_LOOK_AGAIN_SECONDS = 5.0
_PAUSE = 4
"""How many times as long as the last look the pause is before the next one: looks for many are not for free."""


class Endings:
    """
    The ends of runs.

    Args:
        world: an open world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: dict[str, list[asyncio.Future[Ending]]] = {}
        self._to_look_at: dict[str, None] = {}
        self._look: asyncio.Task[None] | None = None
        self._first_look: asyncio.Task[dict[str, Run]] | None = None
        self._to_see: list[str] = []
        self._unsubscribe: Callable[[], None] | None = None

    async def wait(self, run_id: str) -> Ending:
        """
        Return how a run ended, once it has.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, []).append(ending)
        if self._unsubscribe is None:
            self._unsubscribe = self._world.subscribe(self._notice)
        try:
            while (run := await self._see(run_id)).status not in RUN_TERMINAL:
                if where := run.attributes.get(MOVED):
                    raise RunMovedError(
                        f"run {run_id} has moved to world {where}, where it goes on; await its end there"
                    )
                with suppress(TimeoutError):
                    # Notices are hints; a look from time to time makes a lost one harmless.
                    async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                        return await asyncio.shield(ending)
            return Ending(run)
        finally:
            self._stop_waiting(run_id, ending)

    async def _see(self, run_id: str) -> Run:
        """
        Return a run as it stands; those who ask at the same moment ask the world once.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        if self._first_look is None:
            self._first_look = asyncio.get_running_loop().create_task(self._see_all())
        self._to_see.append(run_id)
        found = await asyncio.shield(self._first_look)
        return found.get(run_id) or await self._world.get_run(run_id)  # which says what is wrong with it

    async def _see_all(self) -> dict[str, Run]:
        run_ids, self._to_see, self._first_look = self._to_see, [], None
        return await self._world.statuses(run_ids) if len(run_ids) > 1 else {}

    def _stop_waiting(self, run_id: str, ending: asyncio.Future[Ending]) -> None:
        ending.cancel()
        self._waiting[run_id].remove(ending)
        if not self._waiting[run_id]:
            del self._waiting[run_id]
        if not self._waiting and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _notice(self, notice: Notice) -> None:
        """Look, once for all who wait: another process's commit does not say whose run it was."""
        if not notice.ended or (notice.run_id is not None and notice.run_id not in self._waiting):
            return
        if notice.ending is not None:
            self._tell(notice.ending)
            return
        self._to_look_at |= dict.fromkeys(self._waiting if notice.run_id is None else [notice.run_id])
        if self._look is None:
            self._look = asyncio.get_running_loop().create_task(self._look_at_runs())

    def _tell(self, ended: Ending) -> None:
        for ending in self._waiting.get(ended.run.id, ()):
            if not ending.done():
                ending.set_result(ended)

    async def _look_at_runs(self) -> None:
        time = asyncio.get_running_loop().time
        try:
            while run_ids := [run_id for run_id in self._to_look_at if run_id in self._waiting]:
                self._to_look_at = {}
                began = time()
                for run in (await self._world.statuses(run_ids, ended=True)).values():
                    self._tell(Ending(run))
                await asyncio.sleep(_PAUSE * (time() - began))
        except TorporError:
            pass  # a hint less: who waits looks again anyway
        finally:
            self._look = None


def ended_by_world(ending: Event) -> TorporError | None:
    """Return the error that the world itself ended a run with, which has no payload; None for another ending."""
    if ending.type != "run_failed" or ending.payload is not None:
        return None
    when = datetime.fromtimestamp(ending.due / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return DeadlineExceededError(f"its deadline, {when}, passed before it ended")


async def read_ending(world: World, run: Run) -> Event:
    """
    Return the event that ended a run, encrypted as it is stored.

    Raises:
        DamagedError: its log does not end as the run says.
    """
    events = await world.events(run.id, after=max(0, run.head - 1))
    last = events[-1] if events else None
    if last is None or last.seq != run.head or TRANSITIONS[last.type][1] != run.status:
        ends = "has no such event" if last is None else f"ends with event {last.seq}, {last.type}"
        problem = f"the run is {run.status} after event {run.head}, and its log {ends}"
        raise DamagedError("the log", problem, run_id=run.id)
    return last
