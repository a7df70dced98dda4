"""Carries out attempts of steps as tasks of the event loop, within the worker's capacity, and can end them by run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable

from torpor.engine.attempts import Attempt
from torpor.engine.holding import Holding
from torpor.engine.steps import Steps
from torpor.model import Event

CANCEL_SECONDS = 1.0
"""How long a cancelled attempt may take to end; one that does not is left alone."""

Running = asyncio.Task[None]
"""An attempt that runs."""


class Runner:
    """
    The steps that this worker is running.

    Attempts are told apart by their tasks, not by their steps: when a claim was lost and won again, an old attempt
    may still run beside the new one.

    Args:
        steps: makes the attempts.
        capacity: how many may run at once.
        on_free: called each time that one has ended, and when there is room again for what they hold.

    Attributes:
        holding: what the worker holds of its steps.
    """

    def __init__(self, steps: Steps, capacity: int, on_free: Callable[[], None]) -> None:
        self._steps = steps
        self._capacity = capacity
        self._on_free = on_free
        self._running: dict[Running, tuple[str, str]] = {}  # the run and the step
        self.holding = Holding(on_free)

    @property
    def free(self) -> int:
        """How many more may start now."""
        free, room = max(0, self._capacity - len(self._running)), self.holding.room
        return free if room is None else min(free, room)

    @property
    def busy(self) -> int:
        """How many are running."""
        return len(self._running)

    def runs(self) -> list[str]:
        """Ids of the runs that have a step running here, each once."""
        return list(dict.fromkeys(run_id for run_id, _ in self._running.values()))

    def start(self, attempt: Attempt, done: Callable[[Event], None]) -> Running:
        """Begin an attempt; *done* gets its outcome, or is never called when the attempt was cancelled."""
        task = asyncio.get_running_loop().create_task(self._carry_out(attempt, done))
        self._running[task] = attempt.run_id, attempt.step_id
        task.add_done_callback(self._forget)
        return task

    def cancel_run(self, run_id: str, *, but: Collection[str] = ()) -> None:
        """
        Cancel every attempt of a run, but for those of some steps: ``async def`` steps end here, ``def`` steps are told
        and left alone.
        """
        self.cancel(
            [task for task, (owner, step_id) in self._running.items() if owner == run_id and step_id not in but]
        )

    def cancel_all(self) -> None:
        """Cancel every attempt."""
        self.cancel(self._running)

    def cancel(self, attempts: Iterable[Running]) -> None:
        """Cancel these attempts."""
        for task in attempts:
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait until nothing runs, cancel what still does after *seconds*, and leave alone what ignores that."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        if late := list(self._running):
            self.cancel(late)
            await asyncio.wait(late, timeout=CANCEL_SECONDS)

    async def _carry_out(self, attempt: Attempt, done: Callable[[Event], None]) -> None:
        try:
            async with self.holding.attempt(attempt):
                outcome = await self._steps.attempt(attempt)
        except Exception as problem:  # noqa: BLE001  # its step would stay claimed for as long as this worker lives
            outcome = await self._steps.untold(attempt, problem)
        self.holding.learn(outcome)
        done(outcome)

    def _forget(self, task: Running) -> None:
        self._running.pop(task, None)
        with contextlib.suppress(asyncio.CancelledError):
            task.result()
        self._on_free()
