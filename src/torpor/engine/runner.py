"""Carries out attempts of steps as tasks of the event loop, within the worker's capacity, and can end them by run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from torpor.engine.steps import Attempt, Steps
from torpor.model import Event


class Runner:
    """
    The steps that this worker is running.

    Args:
        steps: makes the attempts.
        capacity: how many may run at once.
        on_free: called each time that one has ended.
    """

    def __init__(self, steps: Steps, capacity: int, on_free: Callable[[], None]) -> None:
        self._steps = steps
        self._capacity = capacity
        self._on_free = on_free
        self._running: dict[str, dict[str, asyncio.Task[None]]] = {}
        self._count = 0

    @property
    def free(self) -> int:
        """How many more may start now."""
        return self._capacity - self._count

    @property
    def busy(self) -> int:
        """How many are running."""
        return self._count

    def runs(self) -> list[str]:
        """Ids of the runs that have a step running here."""
        return list(self._running)

    def start(self, attempt: Attempt, done: Callable[[Event], None]) -> None:
        """Begin an attempt; *done* gets its outcome, or is never called when the attempt was cancelled."""
        self._count += 1
        task = asyncio.get_running_loop().create_task(self._carry_out(attempt, done))
        self._running.setdefault(attempt.run_id, {})[attempt.step_id] = task

    def cancel_run(self, run_id: str) -> None:
        """Cancel every attempt of a run: ``async def`` steps end here, ``def`` steps are told and left alone."""
        for task in list(self._running.get(run_id, {}).values()):
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait until nothing runs, then cancel what still does after *seconds*."""
        tasks = [task for steps in self._running.values() for task in steps.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _carry_out(self, attempt: Attempt, done: Callable[[Event], None]) -> None:
        try:
            outcome = await self._steps.attempt(attempt)
        finally:
            self._forget(attempt)
        done(outcome)

    def _forget(self, attempt: Attempt) -> None:
        self._count -= 1
        steps = self._running[attempt.run_id]
        del steps[attempt.step_id]
        if not steps:
            del self._running[attempt.run_id]
        self._on_free()
