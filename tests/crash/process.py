"""The process that crash tests kill: a worker that starts its runs, each once however often it lives."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# All is imported before the fork, so that a new process is quick.
import torpor.guests.cpython
import torpor.guests.quickjs
import torpor.programs.javascript.builder  # see above
import torpor.programs.python
from torpor.client import Client
from torpor.lifecycle import RUN_TERMINAL
from torpor.testing.crash import CrashAt
from torpor.worlds import open_world


def serve(url: str, ledger: str, starts: Mapping[str, list[Any]], point: str, nth: int) -> None:
    """
    Work until every run has ended, or until the crash point is reached for the *nth* time.

    Args:
        url: of the world.
        ledger: file that the steps write to.
        starts: by run id: name of the workflow and its arguments.
        point, nth: see :class:`torpor.testing.crash.CrashAt`.
    """
    os.environ |= {"TORPOR_WORLD": url, "CRASH_LEDGER": ledger, "CRASH_POINT": point, "CRASH_NTH": str(nth)}
    path = Path(__file__).with_name("application.py")
    spec = importlib.util.spec_from_file_location("application", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["application"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asyncio.run(_work(module.app, module.crash, starts))


async def _work(app: torpor.Torpor, crash: CrashAt, starts: Mapping[str, list[Any]]) -> None:
    async with app:
        runs = [await app.start(name, *args, run_id=run_id) for run_id, (name, *args) in starts.items()]
        async with app.worker(observers=[crash]):
            endings = [app.client.wait_ended(run.id) for run in runs]
            for ending in await asyncio.gather(*endings):
                assert ending.run.status in RUN_TERMINAL


def send(url: str, run_ids: list[str], count: int) -> None:
    """
    Send messages to runs as soon as they are there, and then the one that ends them.

    Args:
        url: of the world.
        run_ids: which runs.
        count: how many messages each of them gets; their ids are the same whoever sends them.
    """
    asyncio.run(_send(url, run_ids, [*range(count), "stop"]))


async def _send(url: str, run_ids: list[str], messages: Sequence[int | str]) -> None:
    world = open_world(url)
    await world.open()
    client = Client(world)
    try:
        for n, message in enumerate(messages):
            for run_id in run_ids:
                await _deliver(client, run_id, message)
                if n == len(messages) // 2:
                    await _fall_asleep(client, run_id)
    finally:
        await world.close()


async def _fall_asleep(client: Client, run_id: str) -> None:
    """Return once a run sleeps that waits for the next message."""
    while True:
        run = await client.world.get_run(run_id)
        if run.sent == run.received and run.receiving and not run.worker:
            return
        await asyncio.sleep(0.01)


async def _deliver(client: Client, run_id: str, message: int | str) -> None:
    while True:
        try:
            return await client.send(run_id, "work", message, id=f"message-{message}")
        except torpor.RunNotFoundError:
            await asyncio.sleep(0.01)
