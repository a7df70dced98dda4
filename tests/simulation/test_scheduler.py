"""Virtual time and simulated processes: what asyncio promises holds, and killed or frozen processes do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from torpor.testing.simulation.clocks import BEGINNING, ProcessClock
from torpor.testing.simulation.scheduler import Process, Scheduler

HOUR_US = 3_600_000_000


def scheduled(*mains: Callable[[Process], Awaitable[None]], until_us: int = HOUR_US) -> Scheduler:
    """Let each of these be the main function of a process, and return when nothing is left to do."""
    scheduler = Scheduler(Random(1))
    for number, main in enumerate(mains):
        process = scheduler.process(f"{number}")
        process.call_soon(lambda process=process, main=main: process.create_task(main(process)))
    scheduler.run(lambda: False, until_us)
    return scheduler


def test_an_hour_takes_no_time() -> None:
    """Time passes as soon as nobody has anything to do."""
    woken = []

    async def main(process: Process) -> None:
        await asyncio.sleep(3_000)
        woken.append(process.time())

    scheduled(main)
    assert woken == [3_000.0]


def test_callbacks_of_a_process_keep_their_order() -> None:
    """As asyncio promises; code may rely on it."""
    order: list[int] = []

    async def main(process: Process) -> None:
        for number in range(20):
            process.call_soon(order.append, number)
        await asyncio.sleep(0)

    scheduled(main)
    assert order == list(range(20))


def test_the_seed_decides_between_processes() -> None:
    """Which of two goes first differs from seed to seed."""

    def first(seed: int) -> str:
        scheduler = Scheduler(Random(seed))
        order: list[str] = []
        for name in ("a", "b"):
            scheduler.process(name).call_soon(order.append, name)
        scheduler.run(lambda: True, 0)
        return order[0]

    assert {first(seed) for seed in range(20)} == {"a", "b"}


def test_what_is_killed_never_goes_on() -> None:
    """Not even its ``finally`` blocks, until the simulation is over."""
    told: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            told.append("finally")

    async def killer(_process: Process) -> None:
        await asyncio.sleep(5)
        victim.kill()

    scheduler = Scheduler(Random(1))
    victim, other = scheduler.process("victim"), scheduler.process("killer")
    victim.call_soon(lambda: victim.create_task(main()))
    other.call_soon(lambda: other.create_task(killer(other)))
    scheduler.run(lambda: False, HOUR_US)
    assert told == []
    scheduler.close()
    assert told == ["finally"]


def test_who_kills_itself_goes_no_further() -> None:
    """The statement behind is not reached, and no handler of ``Exception`` is either."""
    told: list[str] = []

    async def main(process: Process) -> None:
        try:
            process.kill()
            told.append("behind")
        except Exception:  # noqa: BLE001  # as the engine's own code has
            told.append("handled")

    scheduled(main)
    assert told == []


def test_what_is_frozen_goes_on_later() -> None:
    """What became due meanwhile happens then."""
    woken: list[float] = []

    async def main(process: Process) -> None:
        await asyncio.sleep(1)
        woken.append(process.time())

    async def cold(process: Process) -> None:
        victim = process.scheduler.process("victim")
        victim.call_soon(lambda: victim.create_task(main(victim)))
        await asyncio.sleep(0.5)
        victim.freeze()
        await asyncio.sleep(60)
        victim.thaw()

    scheduled(cold)
    assert woken == [60.5]


def test_who_spins_is_found() -> None:
    """A process that never lets time pass ends the simulation unfinished."""

    async def main(process: Process) -> None:
        process.call_soon(again, process)

    def again(process: Process) -> None:
        process.call_soon(again, process)

    scheduler = scheduled(main)
    assert scheduler.now_us == 0


@pytest.mark.parametrize(("jump", "woken_at"), [(0, 10.0), (4_000, 6.0), (-4_000, 14.0)])
def test_who_waits_for_a_time_follows_the_clock_as_it_is_set(jump: int, woken_at: float) -> None:
    """A clock put forward wakes earlier, one put back later."""
    woken: list[float] = []

    async def main(process: Process) -> None:
        clock = ProcessClock(process.scheduler)
        process.call_later(1, clock.jump, jump)
        await clock.wait_until(BEGINNING + 10_000)
        woken.append(process.time())

    scheduled(main)
    assert woken == [woken_at]
