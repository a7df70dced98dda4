"""
A process that stops while VMs compute: ``process.py WAY SEED``.

Ways: ``leave`` (the worker's block ends, several times), ``fall_off`` (the main thread ends and nobody has stopped the
worker), ``exit`` (``sys.exit`` inside the block), ``signal`` (Ctrl-C).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading

from tests.stopping.application import app
from torpor import SyncTorpor, Torpor, WorkerSettings

WORKFLOWS = ("burns_in_python", "burnsInJavaScript")
FOREVER = 1_000_000
LONGEST_SECONDS = 0.3


def fresh(dice: random.Random) -> Torpor:
    """Return the application on a world of its own, with a worker that stops in one of many ways."""
    settings = WorkerSettings(vm_threads=dice.choice((1, 2, 4)), grace_seconds=dice.choice((0.0, 0.001, 0.05, 0.2)))
    return app.on("memory://", settings=settings)


async def work(dice: random.Random, end: str) -> None:
    """Run a worker with busy runs for a random while."""
    used = fresh(dice)
    async with used, used.worker():
        for _ in range(dice.randint(1, 4)):
            await used.start(dice.choice(WORKFLOWS), FOREVER)
        await asyncio.sleep(dice.uniform(0, LONGEST_SECONDS))
        if end == "exit":
            sys.exit(7)


def main(way: str, seed: int) -> None:
    """Stop in the way that is named."""
    dice = random.Random(seed)  # a test's dice
    match way:
        case "leave":
            for _ in range(8):
                asyncio.run(work(dice, way))
        case "exit":
            asyncio.run(work(dice, way))
        case "signal":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored in a shell's background jobs
            threading.Timer(dice.uniform(0.1, 1), os.kill, (os.getpid(), signal.SIGINT)).start()
            while True:
                asyncio.run(work(dice, way))
        case "fall_off":
            front = SyncTorpor(fresh(dice), worker=True).__enter__()  # nobody ever leaves it
            for name in WORKFLOWS:
                front.start(name, FOREVER)
            threading.Event().wait(dice.uniform(0, LONGEST_SECONDS))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
