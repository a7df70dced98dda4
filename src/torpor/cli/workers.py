"""Which workers are at work in a world."""

from __future__ import annotations

from collections.abc import Sequence

from torpor.engine.liveness import dead_workers
from torpor.model import WorkerRow


def alive(workers: Sequence[WorkerRow], now: int) -> list[WorkerRow]:
    """Return those that are not known or presumed to be dead."""
    dead = set(dead_workers(workers, "", now))
    return [worker for worker in workers if worker.id not in dead]
