"""
A rolling deploy with real workers: old and new ones work side by side on one world while runs are started by name.

Two hundred runs, in both languages, none of which fails, and no step of which is tried twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.cli.processes import Process
from torpor import RunHandle
from torpor.client import Client
from torpor.worlds import open_world

HERE = Path(__file__).parent
WORKFLOWS = ("order", "orderInJavaScript")
TIMEOUT = 100.0
FIRST, MIDDLE, LAST = 60, 80, 60
"""How many runs are started before, while and after both versions are at work."""


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of an empty world, which knows no application."""
    world = open_world(f"sqlite:///{tmp_path}/rollout.db")
    await world.open()
    yield Client(world, app="rollout")
    await world.close()


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Where processes are ended at the end."""
    with ExitStack() as stack:
        yield stack


async def test_a_rolling_deploy_fails_no_run(client: Client, processes: ExitStack) -> None:
    """Whichever worker takes a run, its steps go to one that has them as the run's program knows them."""

    async def begin(version: str) -> Process:
        process = processes.enter_context(Process(HERE / version, "worker", "-p", "1", "--world", client.world.url))
        await asyncio.to_thread(process.wait_line, "is at work")
        return process

    async def end(process: Process) -> None:
        process.send(SIGTERM)
        assert await asyncio.to_thread(process.wait_end) == 0

    olds = [await begin("old"), await begin("old")]
    runs = await started(client, 0, FIRST)
    news = [await begin("new")]
    runs += await started(client, FIRST, MIDDLE)
    await end(olds[0])
    news.append(await begin("new"))
    runs += await started(client, FIRST + MIDDLE, LAST)
    await end(olds[1])

    results = await asyncio.gather(*(run.result(timeout=TIMEOUT) for run in runs))
    assert results == [expected(item) for item in range(len(runs))]
    statuses = Counter(run.status for run in await client.list_runs(limit=10_000))
    assert statuses == {"completed": len(runs) + MIDDLE + LAST}  # children included
    logs = [await run.events() for run in runs]
    assert not [event for log in logs for event in log if event.type in ("step_failed", "step_retrying")]
    assert {step.attempt for run in runs for step in await run.steps()} == {1}
    handed_over = [event for log in logs[FIRST:] for event in log if event.type == "step_created" and not event.attempt]
    assert handed_over, "old workers have met no run of the new version; the test shows nothing"
    for process in news:
        await end(process)
    said = [line for process in (*olds, *news) for line in process.seen]
    assert not [line for line in said if "WARNING" in line or "ERROR" in line or "Traceback" in line]


async def started(client: Client, first: int, count: int) -> list[RunHandle]:
    """Start runs by name, in turn in both languages."""
    return [await client.start(WORKFLOWS[item % 2], item) for item in range(first, first + count)]


def expected(item: int) -> list[str]:
    """Return what a run returns: those that began before the deploy are of the old version."""
    if item < FIRST:
        return ["old", f"{item * 5} EUR"]
    currency = "EUR" if item % 2 else "USD"
    return ["new", f"{item * 5 - 1} {currency}", f"mailed thanks for {item}"]
