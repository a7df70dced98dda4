"""A soak from beginning to end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from tests.crash.soak.application import app as application
from tests.crash.soak.chaos import Chaos
from tests.crash.soak.clock import SharedClock
from tests.crash.soak.fleet import Fleet
from tests.crash.soak.gateway import Gateway
from tests.crash.soak.place import Place
from tests.crash.soak.population import Population
from tests.crash.soak.verdict import faults, file_faults
from torpor import Torpor
from torpor.client import Client
from torpor.http.tokens import make_token, store_token
from torpor.worlds import open_world

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
    remote: bool = False,
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
        remote: workers have the world behind the URL of a server, which is tormented as well.
    """
    place = Place(str(folder), lease_ms)
    place.ledger.touch()
    clock = SharedClock(place.clock)
    dice = random.Random(seed)
    settled: list[float] = []
    application.use_world(open_world(place.url, clock))
    async with application as app, AsyncExitStack() as stack:
        gateway: Gateway | None = None
        if remote:
            made = make_token(clock.now(), ("work",))
            await store_token(app.world, made.token)
            gateway = Gateway(place, random.Random(dice.random()))
            place = replace(place, server=await stack.enter_async_context(gateway.open()), token=made.text)
        fleet = Fleet(place, WORKERS)
        other = place.world()
        await other.open()
        await app.store_programs()
        population = Population(app, Client(other), random.Random(dice.random()), seed)
        chaos = Chaos(fleet, clock, random.Random(dice.random()), lease_ms, gateway)
        found: list[str] = []
        try:
            for number in fleet.numbers:
                await fleet.start(number)
            for number in range(1, rounds + 1):
                await asyncio.gather(chaos.reign(seconds), population.grow(runs, seconds * 0.8))
                begun = asyncio.get_running_loop().time()
                found += await _settle(app, population)
                settled.append(asyncio.get_running_loop().time() - begun)
                befell = fleet.done + (gateway.done if gateway is not None else Counter())
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
    befell = fleet.done + population.done + (gateway.done if gateway is not None else Counter())
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
