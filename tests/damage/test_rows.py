"""Whatever is damaged in whatever row: nothing but the run that it belongs to is stopped, and doctor names it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.damage.application import app
from tests.damage.rows import KEYS, SHARED, damage
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

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def use(file: Path, now: int | None = None) -> ManualClock:
    """Let the application live in a file, by a clock that stands."""
    clock = ManualClock() if now is None else ManualClock(now)
    app.runtime = "snapshot"
    app.use_world(open_world(f"sqlite:///{file}", clock))
    return clock


async def _make(file: Path) -> None:
    """Make a world whose runs each wait for a payload, a step that failed once, a child and a timer."""
    use(file)
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


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which nothing is damaged."""
    file = tmp_path_factory.mktemp("sound") / "torpor.db"
    asyncio.run(_make(file))
    db = sqlite3.connect(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return file


async def _carry_on(file: Path, *, shared: bool) -> tuple[set[str], str]:
    """Let a worker carry on, see that nobody but who is damaged is stopped, and return who is, and the victim's end."""
    clock = use(file, ManualClock().now())
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


@pytest.mark.parametrize("table", KEYS)
def test_a_damaged_row_stops_nothing_but_its_run(table: str, sound: Path, tmp_path: Path, rounds: int) -> None:
    """It crashes and hangs nobody, lists and claims pass it by, and who waits for ever because of it is named."""
    for number in range(rounds):
        file = tmp_path / f"{number}.db"
        shutil.copy(sound, file)
        told, makes_sense = damage(file, table, VICTIM, random.Random(f"{table}-{number}"))  # repeatable
        if not told:
            continue
        try:
            named, end = asyncio.run(_carry_on(file, shared=table in SHARED))
        except Exception as error:
            raise AssertionError(f"{told}: {error!r}") from error
        if not makes_sense and table not in SHARED:
            assert end in ("as ever", "given back", "damaged", "gone", "waits"), f"{told}: {end}"
            assert end == "as ever" or named, f"{told}: it {end}, and nobody is told"


def test_every_table_is_damaged(sound: Path) -> None:
    """Who adds one says here how its rows are told apart."""
    db = sqlite3.connect(sound)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql <> ''")}
    db.close()
    assert {table for table in tables if not table.startswith("sqlite_")} == set(KEYS)
