"""Following runs while they go: their logs as far as they are stored, where each one stands, what its sleep weighs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from examples.orders.measure import Log, asleep, ended_steps
from torpor import RunHandle, Torpor, TorporError, codec
from torpor.lifecycle import RUN_ENDINGS
from torpor.vm.delta import unpack_delta

WASM_PAGE = 65_536

BUSY, ASLEEP, FAILED = "busy", "asleep", "failed"


class Weight(msgspec.Struct, frozen=True):
    """
    A sleeping run.

    Attributes:
        guest: name of the VM that it lives in.
        stored: bytes of its snapshot in the database.
        memory: bytes of VM memory that they stand for.
    """

    guest: str
    stored: int
    memory: int


class Watch:
    """
    What is known of some runs; :meth:`look` brings it up to date.

    Args:
        app: an open application.
        runs: handles by order number.

    Attributes:
        logs: events by order number.
        outcomes: what the workflow returned as ``outcome``, or ``failed``, of runs that have ended.
        errors: of those that failed.
        guests: name of the VM that each run lives in, by order number.
        weights: of runs that were seen asleep.
        steps_running: how many steps are being executed.
    """

    def __init__(self, app: Torpor, runs: Mapping[str, RunHandle]) -> None:
        self._app = app
        self._runs = runs
        self.logs: dict[str, Log] = {number: [] for number in runs}
        self.outcomes: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.guests: dict[str, str] = {}
        self.weights: dict[str, Weight] = {}
        self.steps_running = 0

    async def look(self) -> None:
        """Read what was stored since the last look."""
        running = 0
        for number, run in self._runs.items():
            if number in self.outcomes:
                continue
            if number not in self.guests:
                self.guests[number] = (await run.info()).guest
            log = self.logs[number]
            log += await run.events(after=len(log))
            running += sum(step.status == "running" for step in await run.steps())
            if log[-1].type in RUN_ENDINGS:
                self.outcomes[number] = await self._outcome(number, run)
            elif number not in self.weights and asleep(log):
                await self._weigh(number, run.id)
        self.steps_running = running

    @property
    def all_ended(self) -> bool:
        """Whether every run has ended."""
        return len(self.outcomes) == self.size

    @property
    def size(self) -> int:
        """How many runs there are."""
        return len(self._runs)

    @property
    def steps_ended(self) -> int:
        """How many steps have completed or failed."""
        return sum(ended_steps(log) for log in self.logs.values())

    def places(self) -> Counter[str]:
        """Count the runs by outcome, and those that have none yet as busy or asleep."""
        return Counter(
            self.outcomes.get(number) or (ASLEEP if asleep(log) else BUSY) for number, log in self.logs.items()
        )

    async def _outcome(self, number: str, run: RunHandle) -> str:
        try:
            return str((await run.result())["outcome"])
        except TorporError as error:
            self.errors[number] = str(error)
            return FAILED

    async def _weigh(self, number: str, run_id: str) -> None:
        snapshot = await self._app.world.snapshot(run_id)
        if snapshot is not None:
            delta = unpack_delta(codec.unpack_binary(snapshot.data), snapshot.image)
            self.weights[number] = Weight(self.guests[number], len(snapshot.data), delta.pages * WASM_PAGE)
