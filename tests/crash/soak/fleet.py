"""The worker processes, and what can be done to them."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import resource
import signal
from collections import Counter, defaultdict
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Final

import psutil

from tests.crash.soak import worker
from tests.crash.soak.place import Place

Undo = Callable[[], None]
"""Puts an end to what was done to a process; harmless when that has ended."""

HERE: Final = 2
"""So many workers are on this machine; the others say that they are on machines of their own."""

NEWER: Final = 0.3
"""How many of the other workers that start have the next version."""

NEXT_VERSION: Final = "started with the next version"
"""Under which workers that have it are counted in what was done."""

_MEMORY_LEFT: Final = 16 * 1024 * 1024

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.soak.worker"])


class Fleet:
    """
    Worker processes by number.

    Args:
        place: where they work.
        size: how many.
        dice: which version of the application each of them has, once the next one is deployed.

    Attributes:
        done: what was done to them, counted.
        faults: which ended by themselves, though nothing that was done to them explains it.
        world_is_away: tells whether a worker that starts now cannot come to work.
        deployed: workers that are started from now on may have the next version; those of odd numbers have it.
    """

    def __init__(self, place: Place, size: int, dice: random.Random | None = None) -> None:
        self.deployed = False
        self.world_is_away: Callable[[], bool] = lambda: False
        self._dice = dice or random.Random(0)
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._explained: defaultdict[int, set[int]] = defaultdict(set)  # exit codes, by process
        self._place = place
        self._size = size
        self._processes: dict[int, BaseProcess] = {}

    @property
    def numbers(self) -> range:
        """Of all workers."""
        return range(self._size)

    async def start(self, number: int) -> None:
        """Start a worker in the place of one that has ended."""
        machine = "" if number < HERE else f"machine-{number}"
        newer = self.deployed and (number % 2 == 1 or self._dice.random() < NEWER)
        process = _processes.Process(
            target=worker.serve, args=(self._place, number, machine), kwargs={"newer": newer}, daemon=True
        )
        starting = asyncio.create_task(asyncio.to_thread(process.start))
        try:
            await asyncio.shield(starting)
        finally:  # the process comes to be, also when nobody waits for it any more, and is to be ended like others
            await starting
            self._processes[number] = process
        if self.world_is_away():
            self._explained[self.pid(number)].add(worker.REFUSED)
        self.done[NEXT_VERSION if newer else "started"] += 1

    def excuse(self) -> None:
        """Note that the world has gone away: whoever is about to begin may refuse."""
        for process in self._processes.values():
            self._explained[process.pid or 0].add(worker.REFUSED)

    def is_alive(self, number: int) -> bool:
        """Return whether a worker runs, or is frozen."""
        return self._processes[number].is_alive()

    def pid(self, number: int) -> int:
        """Return the process of a worker."""
        return self._processes[number].pid or 0

    async def gone(self, number: int) -> None:
        """Return when a worker has ended."""
        await asyncio.to_thread(self._processes[number].join)

    async def kill(self, number: int) -> None:
        """End a worker at once, or take note that it has ended by itself."""
        process = self._processes[number]
        explained = self._explained[self.pid(number)]
        if process.is_alive():
            process.kill()
            self.done["killed"] += 1
            explained.add(-signal.SIGKILL)
        await self.gone(number)
        code = process.exitcode or 0
        if code == worker.REFUSED:
            self.done["could not come to work"] += 1
        if code not in explained:
            self.faults.append(f"worker process {process.pid} ended by itself with {code}; see {self._place.log}")
        explained.add(code)  # once is enough

    async def terminate(self, number: int, seconds: float) -> None:
        """Ask a worker to stop; one that does not in time is killed."""
        process = self._processes[number]
        process.terminate()
        self.done["terminated"] += 1
        self._explained[self.pid(number)] |= {0, -signal.SIGTERM}  # the latter before it listens
        await asyncio.to_thread(process.join, seconds)
        if process.is_alive():
            self.done["did not stop in time"] += 1
        await self.kill(number)

    def freeze(self, number: int) -> Undo:
        """Keep a process from running."""
        pid = self.pid(number)
        _signal(pid, signal.SIGSTOP)
        return lambda: _signal(pid, signal.SIGCONT)

    def rob_of_descriptors(self, number: int) -> Undo:
        """Leave a process room for no more than two new descriptors."""
        pid = self._robbed(number)
        return _limit(pid, resource.RLIMIT_NOFILE, lambda: psutil.Process(pid).num_fds() + 2)

    def rob_of_memory(self, number: int) -> Undo:
        """Leave a process hardly any new address space."""
        pid = self._robbed(number)
        self._explained[pid].add(-signal.SIGABRT)  # by wasmtime, whose language knows no other answer
        return _limit(pid, resource.RLIMIT_AS, lambda: psutil.Process(pid).memory_info().vms + _MEMORY_LEFT)

    def _robbed(self, number: int) -> int:
        """Note that a worker may refuse to begin, and return its process."""
        pid = self.pid(number)
        self._explained[pid].add(worker.REFUSED)
        return pid


def _limit(pid: int, which: int, soft: Callable[[], int]) -> Undo:
    try:
        before = resource.prlimit(pid, which)
        resource.prlimit(pid, which, (soft(), before[1]))
    except (OSError, psutil.Error):  # it has ended
        return lambda: None

    def undo() -> None:
        with contextlib.suppress(OSError):
            resource.prlimit(pid, which, before)

    return undo


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
