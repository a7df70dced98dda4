"""
A worker is killed in the middle of a run; the next one brings the run to its end.

The run has 100 sequential steps of 3 ms. SIGKILL comes when about 50 have begun, and a new process is started at once.
"""

from __future__ import annotations

import asyncio
import collections
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from torpor import ids
from torpor.clock import SystemClock

STEPS = 100
KILL_AT = 50

_LOOK_SECONDS = 0.001
_SECONDS_MAX = 60


class Work(msgspec.Struct, frozen=True):
    """The run, and the file that every execution of a step is written to."""

    setting: Setting
    run_id: str
    ledger: str


class Finished(msgspec.Struct, frozen=True):
    """Milliseconds from worker ready to result, and when that was on the machine's clock."""

    ready_to_done_ms: float
    ended_at: float


class Crash(msgspec.Struct, frozen=True):
    """What one round has shown."""

    killed_after: int
    ready_to_done_ms: float
    restart_to_done_ms: float
    steps_twice: int


def run(setting: Setting) -> list[Row]:
    """
    Return how long the second worker takes from ready to done, the same from its process's start, and how many steps
    were executed twice.

    Raises:
        BenchmarkError: the world does not outlive a process, or the run did not survive.
    """
    if setting.scheme == "memory":
        raise BenchmarkError("crash needs a world that outlives a process; leave out --world memory://")
    rows = Rows("crash", setting)
    crashes = []
    with fresh(setting) as place:
        for number in range(1 + setting.samples):
            crashes.append(_crash(place))
            say(f"crash: round {number} of {setting.samples}, killed after {crashes[-1].killed_after} steps had begun")
    counted = crashes[1:]
    params = {"steps": STEPS, "kill_at": KILL_AT}
    rows.add("ready_to_done", "ms", [crash.ready_to_done_ms for crash in counted], params)
    rows.add("restart_to_done", "ms", [crash.restart_to_done_ms for crash in counted], params)
    rows.add("steps_twice", "steps", [crash.steps_twice for crash in counted], params)
    return rows.all


def _crash(setting: Setting) -> Crash:
    """
    Let one process live until it is killed, and another one finish.

    Raises:
        BenchmarkError: the run made no progress, or not every step was executed.
    """
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-") as folder:
        ledger = Path(folder) / "ledger"
        ledger.touch()
        work = Work(setting, ids.fresh("wrun", SystemClock().now()), str(ledger))
        process = child.start(live, work)
        try:
            _wait_for_lines(ledger, KILL_AT)
        finally:
            process.kill()
            process.wait()
        killed_after = len(_lines(ledger))
        restarted_at = time.monotonic()
        finished = child.call(finish, work)
        times = collections.Counter(_lines(ledger))
    if len(times) != STEPS:
        raise BenchmarkError(f"{len(times)} different steps were executed, not {STEPS}; the run did not survive")
    return Crash(
        killed_after=killed_after,
        ready_to_done_ms=finished.ready_to_done_ms,
        restart_to_done_ms=(finished.ended_at - restarted_at) * 1000,
        steps_twice=sum(count > 1 for count in times.values()),
    )


def live(work: Work) -> None:
    """Start the run and work until the end, which will not come."""
    asyncio.run(_live(work))


async def _live(work: Work) -> None:
    async with working(work.setting) as app:
        run = await app.start("slow", STEPS, work.ledger, run_id=work.run_id)
        await run.result()


def finish(work: Work) -> Finished:
    """Work until the run has ended."""
    return asyncio.run(_finish(work))


async def _finish(work: Work) -> Finished:
    async with working(work.setting) as app:
        ready = time.monotonic()
        result = await app.run(work.run_id).result()
        ended = time.monotonic()
    if result != STEPS:
        raise BenchmarkError(f"run {work.run_id} returned {result!r}, expected {STEPS}")
    return Finished((ended - ready) * 1000, ended)


def _wait_for_lines(ledger: Path, count: int) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while len(_lines(ledger)) < count:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not {count} steps were executed within {_SECONDS_MAX} s; see the words above")
        time.sleep(_LOOK_SECONDS)


def _lines(ledger: Path) -> list[str]:
    return ledger.read_text().splitlines()
