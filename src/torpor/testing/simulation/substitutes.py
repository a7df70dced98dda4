"""What of the machine a simulation replaces: threads, entropy and the logs of the engine."""

from __future__ import annotations

import asyncio
import functools
import logging
import random as shared_random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, ParamSpec, TypeVar
from unittest import mock

from torpor import forking, ids
from torpor.engine import builds, rewriting, worker
from torpor.engine.threads import Later
from torpor.testing.simulation.scheduler import Process

P = ParamSpec("P")
T = TypeVar("T")


class SimulatedThreads:
    """
    In place of :class:`torpor.engine.threads.VmThreads`: work takes some virtual time, and is done at its end.

    Args:
        count: how much is done at once; what comes beside it waits.
    """

    hurrying = 0

    def __init__(self, count: int) -> None:
        self._free_at = [0] * count

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what *work* returns; for a cancelled caller it is not done."""
        return await self._later(functools.partial(work, *args, **kwargs))

    async def run_on(self, work: Callable[..., Any], *args: object) -> Any:
        """Do the same with *work* that gets the future of its result, which it may leave to somebody else."""
        answer: asyncio.Future[Any] = _process().create_future()
        found = await self._later(functools.partial(work, answer, *args))
        if isinstance(found, Later):
            return await answer if found.go() else found.otherwise
        return found

    def submit(self, work: Callable[[], None]) -> None:
        """Do *work* some time."""
        self._later(work)

    def shutdown(self) -> None:
        """Do nothing: these threads need not end."""

    def _later(self, work: Callable[[], T]) -> asyncio.Future[T]:
        process = _process()
        scheduler = process.scheduler
        begun = max(scheduler.now_us, self._free_at[0])
        ended = begun + scheduler.random.choice((100, 300, 1_000, 20_000))
        self._free_at = sorted([*self._free_at[1:], ended])
        return process.later(ended - scheduler.now_us, work)


def _process() -> Process:
    process = asyncio.get_running_loop()
    assert isinstance(process, Process), "engines are simulated whole"
    return process


async def _apart(work: Callable[[], T]) -> T:
    """Do what an engine gives a thread of its own."""
    return await asyncio.to_thread(work)


@contextmanager
def replaced(random: Random, handler: logging.Handler) -> Iterator[None]:
    """
    Let engines inside the block have simulated threads, and no entropy but the dice.

    Args:
        random: the dice.
        handler: gets what engines log, which nobody else gets.
    """

    def fresh(prefix: ids.Prefix, at: int) -> str:
        return f"{prefix}_{ids.ulid(at, random.randbytes(10))}"

    def new_token() -> str:
        return random.randbytes(18).hex()

    log = logging.getLogger("torpor")
    was = log.level, log.propagate, log.handlers[:]
    log.propagate, log.handlers = False, [handler]
    log.setLevel(handler.level)
    state = shared_random.getstate()
    shared_random.seed(random.randbytes(8))
    try:
        with (
            mock.patch.object(worker, "VmThreads", SimulatedThreads),
            mock.patch.object(forking, "VmThreads", SimulatedThreads),
            mock.patch.object(rewriting, "new_token", new_token),
            mock.patch.object(builds, "_apart", _apart),
            mock.patch.object(ids, "fresh", fresh),
            mock.patch.object(ids, "seed", functools.partial(random.randbytes, ids.SEED_BYTES)),
        ):
            yield
    finally:
        shared_random.setstate(state)
        level, log.propagate, log.handlers = was
        log.setLevel(level)
