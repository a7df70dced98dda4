"""Quotas and counts over several processes, those that are killed among them, and over a restart."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL

import msgspec
import pytest

from tests.engine.support import until
from tests.tenants import process
from tests.tenants.application import app as application
from tests.tenants.application import held, whose
from tests.tenants.process import LANGUAGE
from torpor import Quotas, RunFailedError, RunHandle, Torpor
from torpor.engine.failpoints import Failpoint
from torpor.model.flow import Limits
from torpor.model.tenants import TenantInfo, Usage

SECONDS = 30
AT_ONCE = 3
STEPS = 5
HOLDS = f"""
import {{ held }} from "steps";
import {{ sleep }} from "workflow";
export async function main(n) {{
  "use workflow";
  for (let i = 0; i < n; i++) {{ await held({AT_ONCE}); await sleep("1ms"); }}
  return n;
}}
"""
CALLS = """
import { whose } from "steps";
import { sleep } from "workflow";
export async function main(n) {
  "use workflow";
  for (let i = 0; i < n; i++) { await whose(); await sleep("1ms"); }
  return n;
}
"""
POINTS = (
    (Failpoint.BEFORE_COMMIT, 2),
    (Failpoint.AFTER_COMMIT, 4),
    (Failpoint.WHILE_PARKING, 1),
    (Failpoint.AFTER_ENDING, 1),
)

StartWorker = Callable[..., Awaitable[ForkServerProcess]]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.crash.process"])


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Torpor]:
    """The application on a file, without a worker in this process."""
    async with application.on(f"sqlite:///{tmp_path}/torpor.db") as opened:
        yield opened


@pytest.fixture
async def start_worker(app: Torpor, tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Start a worker in a process of its own, which may die at a failpoint."""
    started: list[ForkServerProcess] = []

    async def start(point: str = "", nth: int = 1) -> ForkServerProcess:
        worker = _processes.Process(target=process.work, args=(app.world.url, str(tmp_path), point, nth))
        await asyncio.to_thread(worker.start)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        await asyncio.to_thread(worker.join)


def told_elsewhere(url: str, answer: Path) -> tuple[str, TenantInfo, dict[str, Limits]]:
    """Return what another process reads from the same file, and how it is refused a start."""
    other = _processes.Process(target=process.tell, args=(url, "acme", HOLDS, str(answer)))
    other.start()
    other.join(SECONDS)
    assert other.exitcode == 0
    return msgspec.json.decode(answer.read_bytes(), type=tuple[str, TenantInfo, dict[str, Limits]])


def noted(folder: Path) -> list[tuple[str, str]]:
    """Return by which process, and for which run, each step has begun."""
    begun = folder / "begun"
    lines = begun.read_text().splitlines() if begun.exists() else []
    return [(pid, run_id) for pid, run_id in map(str.split, lines)]


async def counted(app: Torpor, runs: list[RunHandle]) -> tuple[int, int]:
    """Return how many steps are in the logs of runs, and how many bytes."""
    events = [event for run in runs for event in await app.world.events(run.id)]
    size = sum(len(event.payload or b"") + len(event.ref) + len(event.name) for event in events)
    return sum(event.type == "step_created" for event in events), size


async def test_workers_share_the_quotas_of_a_tenant(app: Torpor, start_worker: StartWorker, tmp_path: Path) -> None:
    """As many runs are awake as may be, never one more, and each run has its steps, wherever it wakes."""
    acme = app.tenant("acme", quotas=Quotas(runs=AT_ONCE, steps=2 * STEPS), allow=[held])
    for _ in range(2):
        await start_worker()
    runs = [await acme.start(HOLDS, [STEPS + n % 2], language=LANGUAGE) for n in range(8)]

    async def are_awake() -> bool:
        return len(noted(tmp_path)) >= AT_ONCE

    await until(app, are_awake)
    # Whoever takes this run would have taken one of the others before it, and the next one finds no lock.
    other = await app.tenant("bolt", allow=[whose]).start(CALLS, [1], language=LANGUAGE)
    assert await other.result(timeout=SECONDS) == 1
    (tmp_path / "go").touch()
    for n, run in enumerate(runs):
        if n % 2 == 0:
            assert await run.result(timeout=SECONDS) == STEPS
            continue
        with pytest.raises(RunFailedError, match=r"\(quota steps\)"):
            await run.result(timeout=SECONDS)
    steps = noted(tmp_path)
    assert len({pid for pid, _ in steps}) == 2
    assert Counter(run_id for _, run_id in steps) == {run.id: STEPS for run in runs}
    assert not (tmp_path / "passed").exists()


async def test_a_killed_worker_loses_and_doubles_no_count(app: Torpor, start_worker: StartWorker) -> None:
    """What is counted is what is in the logs, at whichever point of a turn workers die, and when others go on."""
    acme = app.tenant("acme", allow=[whose])
    runs = [await acme.start(CALLS, [STEPS], language=LANGUAGE) for _ in range(3)]
    beside_logs = (await acme.info()).usage.stored - (await counted(app, runs))[1]
    for point, nth in POINTS:
        worker = await start_worker(point, nth)
        await asyncio.to_thread(worker.join, SECONDS)
        assert worker.exitcode == -SIGKILL, f"nothing passed {point}"
        assert (await acme.info()).usage.steps == (await counted(app, runs))[0]
    await start_worker()
    for run in runs:
        assert await run.result(timeout=SECONDS) == STEPS
    usage, (steps, logs) = (await acme.info()).usage, await counted(app, runs)
    assert steps == 3 * STEPS
    assert usage == Usage(3, 0, usage.cpu_us, steps, beside_logs + logs)
    assert usage.cpu_us > 0


async def test_quotas_and_counts_outlive_a_restart(tmp_path: Path) -> None:
    """Another process, which is given the tenant's name alone, finds what there was, and holds to it."""
    quotas = Quotas(starts="1/h", runs=AT_ONCE, step_rate="9/s", cpu=5)
    async with application.on(f"sqlite:///{tmp_path}/torpor.db") as app, app.worker():
        acme = app.tenant("acme", quotas=quotas, allow=[whose, held])
        assert await (await acme.start(CALLS, [STEPS], language=LANGUAGE)).result(timeout=SECONDS) == STEPS
        info = await acme.info()
        queues = {queue.name: queue.limits for queue in await app.queues.list()}
    refused, info_there, queues_there = await asyncio.to_thread(told_elsewhere, app.world.url, tmp_path / "told")
    assert "(quota starts)" in refused
    assert info_there == info
    assert (info.tenant.quotas, info.usage.runs, info.usage.steps) == (quotas, 1, STEPS)
    assert queues_there == queues
    assert queues["@acme"].concurrency == AT_ONCE
    assert (queues["@acme:steps"].rate, queues["@acme:steps"].period_ms) == (9, 1_000)
