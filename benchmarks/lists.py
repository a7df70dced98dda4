"""Very many stored runs, and one with a long log: what a page of them costs, and what readers cost turns beside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from torpor import Torpor
from torpor.model import ClaimRequest, Commit, Event, NewRun, WorkerRow

RUNS = 300_000
RUNS_QUICK = 20_000
EVENTS = 100_000
EVENTS_QUICK = 10_000
STEPS = 50

APP = "elsewhere"  # whose workers are not here
_WORKFLOWS = 20
_CUSTOMERS = 1_000
_REGIONS = 3
_ENDED = 3  # every third run has been cancelled
_BATCH = 2_000
_EVENTS_A_COMMIT = 2_000
_PAGE = 50
_LOG_PAGE = 100
LONG = "wrun_long"
_BETWEEN_SECONDS = 0.1  # between two pages of a reader


class Measured(msgspec.Struct, frozen=True):
    """
    Milliseconds of each sample.

    Attributes:
        page: of runs of a workflow that have a status.
        search: of runs that have an attribute.
        rare: of runs that have an attribute which many have, and a status which few have.
        run_page: of events from the middle of a long log.
        alone, beside: of a step, and of a step while three readers turn pages, ten a second each.
        stored_per_s: how quickly the runs were made.
    """

    page: list[float]
    search: list[float]
    rare: list[float]
    run_page: list[float]
    alone: list[float]
    beside: list[float]
    stored_per_s: float


def run(setting: Setting) -> list[Row]:
    """Return ``page``, two searches, ``run_page``, and ``load_beside`` with nothing and with readers beside it."""
    runs, events = (RUNS_QUICK, EVENTS_QUICK) if setting.quick else (RUNS, EVENTS)
    rows = Rows("lists", setting)
    with fresh(setting) as place:
        measured = child.call(measure, place)
    rows.add("page", "ms", measured.page, {"runs": runs})
    rows.add("search", "ms", measured.search, {"runs": runs})
    rows.add("search_rare", "ms", measured.rare, {"runs": runs})
    rows.add("run_page", "ms", measured.run_page, {"events": events})
    rows.add("load_beside", "ms", measured.alone, {"runs": runs, "beside": "nothing"})
    rows.add("load_beside", "ms", measured.beside, {"runs": runs, "beside": "readers"})
    rows.add("stored_per_s", "1/s", [measured.stored_per_s], {"runs": runs})
    return rows.all


def measure(setting: Setting) -> Measured:
    """Fill the world and read it, in this process."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    runs, events = (RUNS_QUICK, EVENTS_QUICK) if setting.quick else (RUNS, EVENTS)
    async with working(setting) as app:
        begun = time.perf_counter()
        await store_runs(app, runs)
        stored_per_s = runs / (time.perf_counter() - begun)
        await store_log(app, events)

        async def page() -> None:
            await app.list_runs(workflow="workflow-7", status="pending", limit=_PAGE)

        async def search() -> None:
            await app.list_runs(attributes={"customer": "c-77"}, limit=_PAGE)

        async def rare() -> None:
            await app.list_runs(attributes={"region": "r-1"}, status="failed", limit=_PAGE)

        async def run_page() -> None:
            await app.world.events(LONG, after=events // 2, limit=_LOG_PAGE)

        reads = [page, search, rare, run_page]
        pages, searches, rares, log_pages = [await _timed(read, 3 * setting.samples) for read in reads]
        alone = await _steps_ms(app, setting.samples)
        readers = [asyncio.create_task(_again_and_again(read)) for read in reads]
        beside = await _steps_ms(app, setting.samples)
        for reader in readers:
            reader.cancel()
    return Measured(pages, searches, rares, log_pages, alone, beside, stored_per_s)


async def store_runs(app: Torpor, count: int) -> None:
    """Store so many runs of twenty workflows, of which every third has been cancelled."""
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        await asyncio.gather(*(app.world.create_run(_new_run(number)) for number in numbers))
        ended = (app.world.cancel_run(_run_id(number), "") for number in numbers if number % _ENDED == 0)
        await asyncio.gather(*ended)
        if first % (10 * _BATCH) == 0:
            say(f"lists: {first} of {count} runs are stored")


def _run_id(number: int) -> str:
    return f"wrun_{number:09}"


def _new_run(number: int) -> NewRun:
    return NewRun(
        _run_id(number),
        f"workflow//./flows/orders.py//workflow-{number % _WORKFLOWS}",
        program="0" * 64,
        guest="quickjs",
        runtime="snapshot",
        seed=bytes(32),
        input=b"devl[[]]",
        app=APP,
        attributes={"customer": f"c-{number % _CUSTOMERS}", "region": f"r-{number % _REGIONS}"},
    )


async def store_log(app: Torpor, count: int) -> None:
    """Store a run with so many events: timers that were set and have ended."""
    world, queue = app.world, "long"
    new = msgspec.structs.replace(_new_run(0), id=LONG, queue=queue)
    await world.create_run(new)
    worker = WorkerRow("wrkr_lists", machine="lists", pid=0, born=0, lease_ms=3_600_000)
    await world.register(worker)
    request = ClaimRequest(worker.id, apps=(APP,), queues=(queue,), guests=("quickjs",), turns_max=1)
    [task] = (await world.claim(request)).tasks
    now, head, op = world.clock.now(), 1, 0
    held = None
    while head < count:
        outputs: list[Event] = [] if op else [Event("run_started", now)]
        for _ in range(_EVENTS_A_COMMIT // 2):
            op += 1
            outputs += (
                Event("wait_created", now, f"wait_{op}", op=op, due=now),
                Event("wait_completed", now, f"wait_{op}", op=op),
            )
        commit = Commit(LONG, worker.id, task.epoch, head, outputs=tuple(outputs), ops=op)
        committed = await world.commit(commit, held)
        head, held = committed.head, committed.held


async def _steps_ms(app: Torpor, samples: int) -> list[float]:
    walls = [await timed_ms(finished(app.start("sequential", STEPS), STEPS)) for _ in range(1 + samples)]
    return [wall / STEPS for wall in walls[1:]]


async def _timed(read: Callable[[], Awaitable[None]], samples: int) -> list[float]:
    return [await timed_ms(read()) for _ in range(1 + samples)][1:]


async def _again_and_again(read: Callable[[], Awaitable[None]]) -> None:
    while True:
        await read()
        await asyncio.sleep(_BETWEEN_SECONDS)
