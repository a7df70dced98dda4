"""Busy runs leave room for others: hot ones go to sleep, and those that compute for long rest."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.engine.application import app as application
from tests.engine.support import LOOK_AGAIN, PATIENCE, TIMEOUT
from torpor import WorkerSettings
from torpor.engine import threads as engine_threads
from torpor.engine.threads import VmThreads
from torpor.vm import interrupts
from torpor.vm.interrupts import TICK_SECONDS


@pytest.mark.parametrize("kind", ["steps", "timers"])
async def test_a_run_that_never_sleeps_makes_room(url: str, kind: str) -> None:
    """With room for one turn, a run that steps or timers keep awake gives it to others in the end."""
    app = application.on(url, settings=WorkerSettings(turns=1, grace_seconds=0.1))
    async with app, app.worker():
        neighbour = await app.start(kind)
        for n in range(3):
            run = await app.start("addTen", n)
            assert await run.result(timeout=TIMEOUT) == n + 10
        assert await neighbour.status() == "running"


async def test_a_run_that_computes_for_long_leaves_its_thread(url: str) -> None:
    """With one thread for VMs, others run beside an endless loop."""
    app = application.on(url, settings=WorkerSettings(turns=2, vm_threads=1, grace_seconds=0.1))
    async with app, app.worker():
        neighbour = await app.start("computes")
        for n in range(3):
            run = await app.start("addTen", n)
            assert await run.result(timeout=TIMEOUT) == n + 10
        assert await neighbour.status() == "running"


def only_one_left(before: set[threading.Thread]) -> bool:
    """Wait until all new threads but one have ended."""
    last = time.monotonic() + PATIENCE
    while time.monotonic() < last:
        new = {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("torpor-vm")}
        if len(new) == 1:
            return True
        threading.Event().wait(LOOK_AGAIN)
    return False


def compute(ticks: int) -> None:
    """Be a VM that has the processor for the time of so many ticks."""
    for _ in range(ticks):
        until = time.thread_time() + TICK_SECONDS
        while time.thread_time() < until:
            pass
        interrupts.rest()


async def test_work_is_not_long_because_it_had_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine ticks pass while others have the processor: then its own time does not."""
    monkeypatch.setattr(time, "thread_time", lambda: 1.0)
    pool = VmThreads(1)
    rests: list[float] = []
    monkeypatch.setattr(pool, "rest", lambda: rests.append(1))

    def ticks() -> None:
        for _ in range(100):
            interrupts.rest()

    await pool.run(ticks)
    assert not rests
    pool.shutdown()


async def test_long_work_gives_its_place_to_others_and_then_its_thread() -> None:
    """Short work passes by; when the long work is done there are as many threads as before."""
    before = set(threading.enumerate())
    pool = VmThreads(1)
    passed_by = threading.Event()

    def long() -> bool:
        compute(ticks=2)
        return passed_by.wait(PATIENCE)

    first = [asyncio.ensure_future(pool.run(long)) for _ in range(3)]
    await asyncio.wait_for(pool.run(passed_by.set), PATIENCE)
    assert await asyncio.gather(*first) == [True] * 3
    assert await asyncio.to_thread(only_one_left, before), "there are more threads than before"
    pool.shutdown()


async def test_long_work_rests_while_turns_are_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever, and not for turns whose own VM computes for long."""
    pool = VmThreads(1)
    rests: list[float] = []
    monkeypatch.setattr(engine_threads, "_TAKEN_SECONDS", float("inf"))
    monkeypatch.setattr(time, "sleep", rests.append)

    def ticks(count: int) -> int:
        rests.clear()
        compute(count)
        return len([each for each in rests if each])

    pool.hurrying = 5
    assert await pool.run(ticks, 1) == 0, "short work does not rest"
    assert await pool.run(ticks, 3) == 20, "ten times at each tick from the second on"
    pool.hurrying = 1
    assert await pool.run(ticks, 3) == 0, "it is the only turn at work"
    pool.shutdown()


async def test_where_no_thread_can_be_started_work_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long work keeps its place then, and nothing fails."""
    pool = VmThreads(1)
    order: list[str] = []

    def refused(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def long() -> None:
        compute(ticks=2)
        order.append("long")

    monkeypatch.setattr(threading.Thread, "start", refused)
    await asyncio.gather(pool.run(long), pool.run(order.append, "short"))
    assert order == ["long", "short"]
    pool.shutdown()
