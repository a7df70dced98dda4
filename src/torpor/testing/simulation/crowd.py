"""Many seeds, on several cores."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec

from torpor.testing.simulation.machinery import Machine
from torpor.testing.simulation.scenario import Outcome, simulate

_CHUNK = 8


class Summary(msgspec.Struct):
    """
    What became of many seeds.

    Attributes:
        seeds: how many there were.
        faults: of the seeds that have any.
        happened: how often what went wrong, in all.
    """

    seeds: int = 0
    faults: dict[int, tuple[str, ...]] = {}
    happened: dict[str, int] = {}

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        if outcome.faults:
            self.faults[outcome.seed] = outcome.faults
        for what, count in outcome.happened.items():
            self.happened[what] = self.happened.get(what, 0) + count


def simulate_all(seeds: Sequence[int], processes: int, machine: Machine = "model") -> Iterator[Outcome]:
    """
    Yield the outcomes of these seeds, in their order.

    Args:
        seeds: which.
        processes: how many work at once.
        machine: as of :func:`simulate`.

    Raises:
        BrokenProcessPool: a process has died.
    """
    simulated = functools.partial(simulate, machine=machine)
    if processes <= 1 or len(seeds) <= _CHUNK:
        yield from map(simulated, seeds)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(simulated, seeds, chunksize=_CHUNK)
