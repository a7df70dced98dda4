"""A soak from beginning to end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.crash.soak.application import app as application
from tests.crash.soak.chaos import Chaos
from tests.crash.soak.clock import SharedClock
from tests.crash.soak.fleet import Fleet
from tests.crash.soak.place import Place
from tests.crash.soak.population import Population
from tests.crash.soak.stages import STAGES, file_faults
from tests.crash.soak.verdict import faults
from tests.crash.soak.versions import write_newer
from torpor import Torpor
from torpor.client import Client

WORKERS: Final = 4
SETTLE_SECONDS: Final = 90.0


class Report(msgspec.Struct, frozen=True):
    """
    What came of a soak.

    Attributes:
        faults: what is wrong; empty when all is well.
        runs: how many were started.
        done: what befell them, counted.
        settled: seconds that each round took from the end of its chaos to the end of its last run.
    """

    faults: list[str]
    runs: int
    done: Counter[str]
    settled: list[float]


async def soak(
    folder: Path,
    *,
    seed: int,
    rounds: int,
    seconds: float,
    runs: int,
    lease_ms: int,
    say: Callable[[str], None],
    world: str = "sqlite",
) -> Report:
    """
    Let chaos reign over a population of runs, and see that all is well in the end.

    Args:
        folder: an empty one for all files.
        seed: of the dice.
        rounds: how often runs are started, tormented and awaited.
        seconds: of chaos in each round.
        runs: to be started in each round.
        lease_ms: of the workers.
        say: takes a line for each round.
        world: one of :data:`tests.crash.soak.stages.STAGES`.
    """
    dice = random.Random(seed)
    bare = Place(str(folder), lease_ms)
    bare.ledger.touch()
    write_newer(bare.newer)
    clock = SharedClock(bare.clock)
    settled: list[float] = []
    found: list[str] = []
    async with STAGES[world](bare, random.Random(dice.random())) as stage:
        place, trouble = stage.place, stage.trouble
        application.use_world(place.world_itself())
        async with application as app:
            fleet = Fleet(place, WORKERS, random.Random(dice.random()))
            other = place.world()
            await other.open()
            await app.store_programs()
            population = Population(app, Client(other), random.Random(dice.random()), seed)
            chaos = Chaos(fleet, clock, random.Random(dice.random()), place, trouble)
            try:
                for number in fleet.numbers:
                    await fleet.start(number)
                for number in range(1, rounds + 1):
                    await asyncio.gather(
                        chaos.reign(seconds, deploying=number == 1), population.grow(runs, seconds * 0.8)
                    )
                    begun = asyncio.get_running_loop().time()
                    found += await _settle(app, population)
                    settled.append(asyncio.get_running_loop().time() - begun)
                    befell = fleet.done + (trouble.done if trouble is not None else Counter())
                    say(f"round {number}: settled after {settled[-1]:.1f} s; {dict(befell)}")
                    if found:
                        break
                for number in fleet.numbers:
                    await fleet.terminate(number, SETTLE_SECONDS)
            finally:
                for number in fleet.numbers:
                    await fleet.kill(number)
                await other.close()
            found += population.faults + fleet.faults + await faults(app, population.expected, place.ledger)
    found += file_faults(folder / "torpor.db")
    befell = fleet.done + population.done + (trouble.done if trouble is not None else Counter())
    return Report(found, len(population.expected), befell, settled)


async def _settle(app: Torpor, population: Population) -> list[str]:
    """Return once every run has ended, or what has not."""
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await population.played()
            while await _live(app):  # noqa: ASYNC110  # endings come from other processes
                await asyncio.sleep(0.2)
    except TimeoutError:
        return [f"run {run} has not ended" for run in await _live(app)]
    return []


async def _live(app: Torpor) -> list[str]:
    running = [run for status in ("pending", "running") for run in await app.list_runs(status=status, limit=1000)]
    return [f"{run.id} ({run.workflow}, {run.status})" for run in running]
