"""Runs that each have something in every table, and how they carry on in a world of which something is damaged."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

from tests.damage.application import app
from tests.engine.support import TIMEOUT, until
from torpor.errors import DamagedError, HookNotFoundError, RunFailedError, TorporError
from torpor.inspection.reading import Reader
from torpor.inspection.soundness import find_damage
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import RunFilter
from torpor.testing.clock import ManualClock
from torpor.worlds import open_world

RUNS = ("run-0", "run-1", "run-2")
VICTIM = "run-1"
RESULT = "first second step child"
HOUR = 3_600_000
LOOKS = 20
"""How often a run is looked at that goes on no more."""


def use(url: str, now: int | None = None) -> ManualClock:
    """Let the application live in a world, by a clock that stands."""
    clock = ManualClock() if now is None else ManualClock(now)
    app.runtime = "snapshot"
    app.use_world(open_world(url, clock))
    return clock


async def make(url: str) -> None:
    """Make a world whose runs each wait for a payload, a step that failed once, a child and a timer."""
    use(url)
    async with app:
        async with app.worker() as worker:
            await app.schedules.create("yearly", "stands", "token", cron="@yearly", paused=True)
            await app.queues.set("mail", concurrency=len(RUNS), rate="1000/s")
            await (await app.tenant("acme").start("async def main(): ...")).result(timeout=TIMEOUT)
            for run_id in RUNS:
                await app.start("stands", run_id, run_id=run_id, queue="mail")
                await until(app, partial(_resumed, run_id, "first"))

            async def all_wait() -> bool:
                held = [await app.world.open_entities(run_id) for run_id in RUNS]
                return all(
                    (len(each.waits), len(each.hooks), each.run.worker) == (1, 2, "")
                    and all(step.task and not step.worker for step in each.steps.values())
                    and each.steps
                    for each in held
                )

            await until(app, all_wait)
            await worker.wait_idle(timeout=TIMEOUT)
        assert await find_damage(app.world, app.keyring) == {}


async def _resumed(token: str, payload: str) -> bool:
    try:
        await app.resume_hook(token, payload)
    except HookNotFoundError:
        return False
    return True


async def carry_on(url: str, *, shared: bool) -> tuple[set[str], str]:
    """Let a worker carry on, see that nobody but who is damaged is stopped, and return who is, and the victim's end."""
    clock = use(url, ManualClock().now())
    async with app:
        named = set(await find_damage(app.world, app.keyring))
        named |= {run.parent for run in await app.world.list_runs(RunFilter()) if run.id in named}
        async with app.worker() as worker:
            for run_id in RUNS:
                with suppress(TorporError):  # a damaged hook, or one that nobody finds any more
                    await app.resume_hook(run_id, "second")
            clock.jump(HOUR + 1_000)
            clock.advance(60_000)
            for run_id in RUNS:
                if not shared and run_id not in named | {VICTIM}:
                    assert await app.run(run_id).result(timeout=TIMEOUT) == RESULT, f"{run_id} is harmed"
            end = await _end(clock)
            await worker.wait_idle(timeout=TIMEOUT)
        assert len(await app.world.list_runs(RunFilter())) >= len(RUNS)
        reader = Reader(app.client)
        await asyncio.gather(reader.workers(), reader.unserved(), reader.unmet(), app.list_runs())
        named |= set(await find_damage(app.world, app.keyring))
    return named, end


async def _end(clock: ManualClock) -> str:
    """Return what became of the victim."""
    for _ in range(LOOKS):
        try:
            run = await app.world.get_run(VICTIM)
        except TorporError as error:
            return "damaged" if isinstance(error, DamagedError) else "gone"
        if run.status in RUN_TERMINAL:
            try:
                result: Any = await app.run(VICTIM).result(timeout=TIMEOUT)
            except RunFailedError as error:
                return f"failed: {error}"
            except TorporError as error:
                return f"unreadable: {error}"
            return "as ever" if result == RESULT else f"another result: {result!r}"
        if run.snoozed:
            return "given back"
        clock.advance(1_000)
        await asyncio.sleep(0.01)  # nothing tells that nothing comes
    return "waits"
