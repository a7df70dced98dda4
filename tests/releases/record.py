"""
Record runs of a release: one SQLite file for each guest, in which runs have fallen asleep in every way there is.

Run it from a checkout of that release, with this folder copied into it; see ``README.md``::

    PYTHONPATH=src:. python -m tests.releases.record 0.1.0

A worker carries the runs to where :mod:`.cast` wants them, and is then killed while a step runs. The tests record the
version that they test, too.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import zstandard
from msgspec.structs import replace

from tests.releases.cast import KEYS, PARTS, Part
from tests.releases.shop.application import app
from torpor import RunHandle, Torpor, WorkerSettings
from torpor.errors import HookNotFoundError
from torpor.model import Runtime

importlib.import_module("tests.releases.shop.flows.orders")  # which registers its workflows

FOLDER = Path(__file__).with_name("recorded")
GUESTS = ("quickjs", "cpython")
LOOK_AGAIN_SECONDS = 0.05
SETTINGS = WorkerSettings(turns=8)
KEEPS_BUILDS = "upkeep_ms" in WorkerSettings.__struct_fields__
"""Since 0.2.0."""


def main(release: str) -> None:
    """Record both guests."""
    FOLDER.mkdir(exist_ok=True)
    for guest in GUESTS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "torpor.db"
            record(guest, path)
            asyncio.run(afterwards(guest, path))
            kept = FOLDER / f"{release}-{guest}.db.zst"
            kept.write_bytes(zstandard.ZstdCompressor(19).compress(compacted(path)))
            print(kept.name, kept.stat().st_size)  # noqa: T201  # a tool's word to its user


def record(guest: str, path: Path) -> None:
    """Let a worker live and die in a process of its own."""
    command = [sys.executable, "-m", "tests.releases.record", "worker", guest, str(path)]
    died = subprocess.run(command, env={**os.environ, "SHOP_RECORDING": "1"}, check=False)
    assert died.returncode == -signal.SIGKILL, f"the recorded worker ended with {died.returncode}"


async def live_and_die(guest: str, path: Path) -> None:
    """Bring every run to its place, then start those in which the worker dies."""
    plain, secret = doors(path)
    async with secret, secret.worker():
        for part in PARTS:
            runs: dict[str, tuple[Torpor, Runtime]] = {
                f"{part.workflow}-{runtime}": (plain, runtime) for runtime in part.runtimes
            }
            if part.secret:
                runs[f"{part.workflow}-secret"] = (secret, "snapshot")
            for run_id, (door, runtime) in runs.items():
                run = await begin(door, guest, part, run_id, runtime)
                for number, letter in enumerate(part.letters):
                    await asleep(path)
                    await resume(door, run_id, letter, number)
                await stands(run, part.stands)
        doomed = await begin(plain, guest, Part("hibernate", Counter()), "cancelled", "snapshot")
        await stands(doomed, Counter(wait_created=1))
        await asleep(path)
        await doomed.cancel("the customer thought better of it")
        await build_kept(path)
        caught = Part("caught", Counter())
        for runtime in caught.runtimes:
            await begin(plain, guest, caught, f"caught-{runtime}", runtime)
        await asyncio.Event().wait()


async def afterwards(guest: str, path: Path) -> None:
    """What happens while no worker lives: a run is started, and another one's hook is resumed."""
    plain, _ = doors(path)
    async with plain:
        await begin(plain, guest, Part("sold", Counter(), ("coffee",)), "never-claimed", "snapshot")
        await resume(plain, "mailbox-replay", 8, 3)


def doors(path: Path) -> tuple[Torpor, Torpor]:
    """Return the application without keys, and with keys."""
    url = f"sqlite:///{path}"
    app.use_world(url)
    app.settings = replace(SETTINGS, upkeep_ms=200) if KEEPS_BUILDS else SETTINGS
    return app.on(app.world, keys=""), app.on(app.world, keys=KEYS)


async def begin(door: Torpor, guest: str, part: Part, run_id: str, runtime: Runtime) -> RunHandle:
    """Start a run."""
    names = [name for program in door.programs.all() if program.guest == guest for name in program.workflows]
    words = part.workflow.split("_")
    wanted = part.workflow if guest == "cpython" else words[0] + "".join(map(str.capitalize, words[1:]))
    (name,) = (name for name in names if name.endswith(f"//{wanted}"))
    args = [arg.format(id=run_id, runtime=runtime) if isinstance(arg, str) else arg for arg in part.args]
    return await door.start(name, *args, run_id=run_id, runtime=runtime)


async def resume(door: Torpor, token: str, payload: object, number: int) -> None:
    """Resume a hook once it is there."""
    while True:
        try:
            await door.resume_hook(token, payload, resume_id=f"letter-{number}")
            break
        except HookNotFoundError:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def stands(run: RunHandle, wanted: Counter[str]) -> None:
    """Return once a run's log has these events."""
    while not Counter(event.type for event in await run.events()) >= wanted:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def asleep(path: Path) -> None:
    """Return once no turn is claimed or ready."""
    with closing(sqlite3.connect(path)) as db:
        columns = {column for (column,) in db.execute("SELECT name FROM pragma_table_info('runs')")}
        claimed = "worker" if "worker" in columns else "claimed_by"
        busy = f"SELECT count(*) FROM runs WHERE {claimed} IS NOT NULL OR ready_at <= ?"  # noqa: S608  # one of two
        while db.execute(busy, [app.clock.now()]).fetchone() != (0,):
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def build_kept(path: Path) -> None:
    """Return once the guest's build is in the world."""
    with closing(sqlite3.connect(path)) as db:
        while KEEPS_BUILDS and not db.execute("SELECT 1 FROM blobs WHERE key LIKE 'build/%'").fetchall():
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def compacted(path: Path) -> bytes:
    """
    Return the database as one file, without what only takes space or tells of this machine.

    Images of VMs are left out: they are large, and of no use to anybody but the guest build of the release.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM blobs WHERE key LIKE 'image/%'")
        db.execute("UPDATE workers SET machine = 'elsewhere'")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("VACUUM")
    return path.read_bytes()


if __name__ == "__main__":
    match sys.argv[1:]:
        case [release]:
            main(release)
        case [_, guest, file]:
            asyncio.run(live_and_die(guest, Path(file)))
