"""Threads for VMs: what is done goes back in batches, and may be left to somebody else to answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.support import TIMEOUT
from torpor.engine.threads import Later, VmThreads
from torpor.vm import interrupts


@pytest.fixture
def threads() -> Iterator[VmThreads]:
    """One thread."""
    pool = VmThreads(1)
    yield pool
    pool.shutdown()


async def test_what_is_done_goes_back_together(threads: VmThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop is woken once for jobs that lay behind one another."""
    loop, all_queued, woken = asyncio.get_running_loop(), threading.Event(), 0
    wake = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal woken
        woken += 1
        return wake(callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    monkeypatch.setattr("torpor.engine.threads._BATCH_SECONDS", TIMEOUT)
    first = asyncio.create_task(threads.run(all_queued.wait, TIMEOUT))
    others = [asyncio.create_task(threads.run(int, n)) for n in range(3)]
    await asyncio.sleep(0)  # they are in the queue
    all_queued.set()
    assert await asyncio.gather(first, *others) == [True, 0, 1, 2]
    assert woken == 1


async def test_long_work_holds_nothing_back(threads: VmThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its first tick, what was done before it goes back."""
    monkeypatch.setattr("torpor.engine.threads._BATCH_SECONDS", TIMEOUT)
    both_queued, seen = threading.Event(), threading.Event()

    def compute() -> None:
        while not seen.wait(0.001):
            interrupts.rest()

    short = asyncio.create_task(threads.run(both_queued.wait, TIMEOUT))
    long = asyncio.create_task(threads.run(compute))
    await asyncio.sleep(0)
    both_queued.set()
    async with asyncio.timeout(TIMEOUT):
        assert await short
        assert not long.done()
        seen.set()
        await long


async def test_an_answer_may_be_left_to_others(threads: VmThreads) -> None:
    """Whoever has the future settles it; who cannot is spared."""

    def work(answer: asyncio.Future[str], takes: bool) -> Later[str]:
        def go() -> bool:
            if takes:
                answer.get_loop().call_soon_threadsafe(answer.set_result, "another's")
            return takes

        return Later(go, "its own")

    assert await threads.run_on(work, True) == "another's"
    assert await threads.run_on(work, False) == "its own"


async def test_what_goes_wrong_while_leaving_is_raised(threads: VmThreads) -> None:
    """It is the answer then."""

    def work(_: asyncio.Future[int]) -> Later[int]:
        def go() -> bool:
            raise LookupError("nobody")

        return Later(go, 1)

    with pytest.raises(LookupError, match="nobody"):
        await threads.run_on(work)


@pytest.mark.parametrize("takes", [True, False])
async def test_who_is_cancelled_does_not_wait_for_others(threads: VmThreads, takes: bool) -> None:
    """The work has ended, and with it what a cancelled caller waits for, whoever has the answer."""
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    def go() -> bool:
        loop.call_soon_threadsafe(left.set)
        return takes

    def work(_: asyncio.Future[int]) -> Later[int]:
        return Later(go, 1)

    waiting = asyncio.create_task(threads.run_on(work))
    async with asyncio.timeout(TIMEOUT):
        await left.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await threads.run(lambda: 1) == 1
