"""What befalls the workers, as the dice say: death, frost, poverty, and clocks that are set by hours."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from tests.crash.soak.clock import SharedClock
from tests.crash.soak.fleet import HERE, NEXT_VERSION, Fleet, Undo
from tests.crash.soak.place import Place
from tests.crash.soak.trouble import Trouble

HOUR: Final = 3_600_000
JUMP_HOURS: Final = 2
STOP_SECONDS: Final = 10.0
DEPLOYED_AFTER: Final = 0.3
"""After how much of the first round the next version comes."""

SKEW_MS: Final = 2_000
"""By how much workers' clocks are apart where they say what time it is."""

SKEWED: Final = 0.5
"""How often it is one worker's clock that is set there, and not the machine's."""

TROUBLE_SHARE: Final = 0.4
"""How much of all befalls what workers have their world from, where that is a process."""


class Chaos:
    """
    Does things to workers until it is told to stop.

    Args:
        fleet: the workers, all of them started.
        clock: everybody's.
        dice: what happens.
        place: where all of it is.
        trouble: what befalls the world itself, if anything does.
    """

    def __init__(
        self, fleet: Fleet, clock: SharedClock, dice: random.Random, place: Place, trouble: Trouble | None = None
    ) -> None:
        self._trouble = trouble
        self._fleet = fleet
        if trouble is not None:
            trouble.goes_away = fleet.excuse
            fleet.world_is_away = lambda: trouble.is_away
        self._clock = clock
        self._dice = dice
        self._place = place
        self._lease_seconds = place.lease_ms / 1000
        self._under_spell: set[int] = set()
        self._spells: set[asyncio.Task[None]] = set()
        self._latest_ms = 0

    async def reign(self, seconds: float, *, deploying: bool = False) -> None:
        """
        Reign for so long; in the end every worker is alive and well, and the clock as far ahead as it ever was.

        Args:
            seconds: how long.
            deploying: the application's next version comes in the middle of it, or at its end where all took longer.
        """
        deploys = deploying
        until = asyncio.get_running_loop().time() + seconds * DEPLOYED_AFTER
        is_first = True  # which goes to the world itself, so that a short reign is not without
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await asyncio.sleep(self._dice.uniform(0.2, 1.6))
                    if deploying and asyncio.get_running_loop().time() > until:
                        deploying = False
                        await self._deploy()
                    await self._revive()
                    if self._trouble is not None and (self._dice.random() < TROUBLE_SHARE or is_first):
                        is_first = False
                        await self._trouble.strike(self._lease_seconds)
                    else:
                        await self._strike()
        except TimeoutError:
            pass
        if self._trouble is not None:
            await self._trouble.mend()
        await asyncio.gather(*self._spells)
        if deploys and not self._fleet.done[NEXT_VERSION]:
            await self._deploy()
        await self._revive()
        # Timers are set by the wall clock: those of the hours ahead would ring in hours.
        self._clock.set(self._latest_ms)

    async def _revive(self) -> None:
        """Start workers in the place of those that have ended by themselves, as whoever looks after them does."""
        for number in self._fleet.numbers:
            if number not in self._under_spell and not self._fleet.is_alive(number):
                await self._replace(number)

    async def _deploy(self) -> None:
        """Stop a worker, as a rolling deploy does, and start one with the application's next version."""
        self._fleet.deployed = True
        number = 1
        if number not in self._under_spell:  # else it is replaced later
            await self._fleet.terminate(number, STOP_SECONDS)
            await self._fleet.start(number)

    async def _strike(self) -> None:
        free = [number for number in self._fleet.numbers if number not in self._under_spell]
        if not free:
            return
        number, roll = self._dice.choice(free), self._dice.random()
        fleet, dice = self._fleet, self._dice
        if roll < 0.12:
            self._jump()
        elif roll < 0.24:
            self._cast("frozen beyond its lease", number, fleet.freeze, self._lease_seconds * dice.uniform(1.1, 1.6))
        elif roll < 0.34:
            self._cast("frozen", number, fleet.freeze, dice.uniform(0.1, self._lease_seconds / 2))
        elif roll < 0.46:
            self._cast("short of descriptors", number, fleet.rob_of_descriptors, dice.uniform(0.5, 3))
        elif roll < 0.56:
            self._cast("short of memory", number, fleet.rob_of_memory, dice.uniform(0.5, 3))
        elif roll < 0.62:
            for each in free:
                await fleet.kill(each)
            await asyncio.sleep(dice.uniform(0, 0.5))
            for each in free:
                await fleet.start(each)
        elif roll < 0.70:
            await fleet.terminate(number, STOP_SECONDS)
            await fleet.start(number)
        else:
            await self._replace(number)
            while dice.random() < 0.3:  # during its start
                await asyncio.sleep(dice.uniform(0, 0.6))
                await self._replace(number)

    def _jump(self) -> None:
        if self._place.tells_time or self._dice.random() < SKEWED:
            self._skew(self._dice.choice(self._fleet.numbers))
            return
        self._clock.set(int(self._dice.uniform(-JUMP_HOURS, JUMP_HOURS) * HOUR))
        self._latest_ms = max(self._latest_ms, self._clock.ahead_ms)
        self._fleet.done["the clock was set"] += 1

    def _skew(self, number: int) -> None:
        """Set the clock of one worker."""
        most = JUMP_HOURS * HOUR if self._place.tells_time else SKEW_MS
        SharedClock(self._place.clock_of(number)).set(int(self._dice.uniform(-most, most)))
        self._fleet.done["the clock of a worker was set"] += 1

    def _cast(self, name: str, number: int, begin: Callable[[int], Undo], seconds: float) -> None:
        """Let a worker suffer for so long; one on this machine may be killed as soon as it is over."""
        if len(self._under_spell) > len(self._fleet.numbers) // 2:
            return  # somebody has to work
        kill = number < HERE and self._dice.random() < 0.3
        self._under_spell.add(number)
        self._fleet.done[name] += 1

        async def spell() -> None:
            undo = begin(number)
            try:
                await asyncio.sleep(seconds)
            finally:
                undo()
                self._under_spell.discard(number)
            if kill or not self._fleet.is_alive(number):
                await self._replace(number)

        task = asyncio.create_task(spell())
        self._spells.add(task)
        task.add_done_callback(self._spells.discard)

    async def _replace(self, number: int) -> None:
        await self._fleet.kill(number)
        await asyncio.sleep(self._dice.uniform(0, 0.3))
        await self._fleet.start(number)
