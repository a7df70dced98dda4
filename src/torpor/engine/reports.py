"""What becomes of step tasks, brought to the world: how an attempt ended, or that the step is for another worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from torpor.clock import Clock
from torpor.engine.failpoints import Failpoint
from torpor.engine.holding import Holding
from torpor.engine.observer import Observer, Remark, StepLeft, Stored
from torpor.engine.retry import Retrying
from torpor.errors import ConflictError, DamagedError, NotFoundError
from torpor.model import Event, StepOutcome, Task
from torpor.model.flow import Place
from torpor.retries import Backoff
from torpor.world import World

_WORLD_BACKOFF = Backoff(first=0.1, most=5.0)


class Reports:
    """
    Reports on their way to the world, each until the world has taken it, or can or will not take it any more.

    Args:
        world: where they go.
        clock: the world's.
        holding: counts what they hold.
        observe: is told what becomes of them.
        on_done: called each time that one is done with.

    Attributes:
        pending: those on their way.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        holding: Holding,
        observe: Observer,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self.pending: set[asyncio.Task[None]] = set()
        self._world = world
        self._clock = clock
        self._holding = holding
        self._observe = observe
        self._on_done = on_done

    def report(self, worker_id: str, task: Task, event: Event, *, spent: int = 0) -> None:
        """
        Store how an attempt ended, of a step task or of a step that its turn has handed over.

        Args:
            worker_id, task: whose claim it was, and of what.
            event: how it ended.
            spent: see :class:`torpor.model.StepOutcome`.
        """
        outcome = StepOutcome(task.run_id, event.id, worker_id, task.epoch, event, task.queue, spent)

        async def store() -> None:
            self._observe(Failpoint.BEFORE_STEP_OUTCOME)
            await self._world.finish_step(outcome)
            self._observe(Stored(task.run_id, task.key_id, task.workflow, (event,)))

        self._holding.hold(event)
        report = self._begin(self._bring(f"outcome of step {event.id} of run {task.run_id}", store))
        report.add_done_callback(lambda _: self._holding.let_go(event))

    def give_back(self, worker_id: str, task: Task, why: str, *, delay_ms: int, place: Place | None = None) -> None:
        """
        Make a task ready again, at once or after a while: a step for another worker or where it is to wait, a turn for
        anybody.
        """
        told = "" if place is not None else why  # nothing is wrong

        async def store() -> None:
            claim = worker_id, task.epoch
            if task.kind == "turn":
                await self._world.snooze(task.run_id, *claim, delay_ms=delay_ms, why=told)
            else:
                await self._world.snooze_step(
                    task.run_id, task.step_id, *claim, delay_ms=delay_ms, why=told, place=place
                )

        what = f"run {task.run_id}"
        if task.kind == "step":
            what = f"step {task.step_id} of {what}"
            self._observe(StepLeft(task.run_id, task.step_id, task.name, why))
        self._begin(self._bring(f"giving back of {what}", store))

    def _begin(self, report: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(report)
        self.pending.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, report: asyncio.Task[None]) -> None:
        self.pending.discard(report)
        self._on_done()

    async def _bring(self, what: str, store: Callable[[], Awaitable[None]]) -> None:
        retrying = Retrying(self._clock, _WORLD_BACKOFF, f"storing the {what}", self._observe)
        while True:
            try:
                await store()
                return
            except DamagedError as error:  # it is begun again once that is mended, for which workers stop
                self._observe(Remark(logging.WARNING, f"the {what} cannot be stored: {error}"))
                return
            except (ConflictError, NotFoundError) as error:
                self._observe(Remark(logging.INFO, f"the {what} is not wanted any more: {error}"))
                return
            except Exception as error:  # noqa: BLE001  # while this worker lives, nobody else tells of the step
                await retrying.pause(error)
