"""Several processes on one file: shared work, sudden death, and forks."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.errors import WorldError
from torpor.model import Event
from torpor.testing.worlds.story import RUN, SECOND, new_run, take
from torpor.worlds.sqlite import SqliteWorld

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a file that is not there yet."""
    return f"sqlite:///{tmp_path}/torpor.db"


@pytest.fixture
async def world(url: str) -> AsyncIterator[SqliteWorld]:
    """Yield an open world on that file."""
    world = SqliteWorld(url)
    await world.open()
    yield world
    await world.close()


class Child:
    """A process that plays one of the parts of :mod:`tests.worlds.sqlite_child`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, part: str, url: str, *arguments: str) -> Child:
        """Start it."""
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.worlds.sqlite_child", part, url, *arguments),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            stdin=pipe,
            stdout=pipe,
        )
        return cls(process)

    async def hear(self) -> str:
        """Return its next line."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_SECONDS)
        return line.decode().strip()

    def go(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    def kill(self) -> None:
        """Kill it."""
        self._process.send_signal(signal.SIGKILL)

    async def rest(self) -> list[str]:
        """Return what it says until its end."""
        output, _ = await asyncio.wait_for(self._process.communicate(), PATIENCE_SECONDS)
        return output.decode().splitlines()

    @property
    def returncode(self) -> int | None:
        """How it ended."""
        return self._process.returncode


async def test_two_processes_share_the_work(world: SqliteWorld, url: str) -> None:
    """Both take their half at the same time; each run is handed to one of them and completed once."""
    names = [f"wrun_{n:03}" for n in range(60)]
    await asyncio.gather(*(world.create_run(new_run(name)) for name in names))
    children = [await Child.start("complete", url, f"wrkr_{n}", "30") for n in range(2)]
    for child in children:
        assert await child.hear() == "ready"
    for child in children:
        child.go()
    one, other = [await child.rest() for child in children]
    assert sorted(one + other) == names
    for name in names:
        assert [event.type for event in await world.events(name)] == ["run_created", "run_started", "run_completed"]


async def test_a_process_hears_of_anothers_changes(world: SqliteWorld, url: str) -> None:
    """The notice does not name the run, and says that there may be work."""
    news = asyncio.Event()
    world.subscribe(lambda notice: news.set() if notice.run_id is None and notice.work else None)
    child = await Child.start("create", url, RUN)
    await asyncio.wait_for(news.wait(), PATIENCE_SECONDS)
    assert (await world.get_run(RUN)).status == "pending"
    await child.rest()


@pytest.mark.parametrize("heard", [3, 40, 150])
async def test_a_killed_process_leaves_whole_logs(url: str, heard: int) -> None:
    """Everything that was acknowledged is there, each log is dense, and each row is what its events made of it."""
    child = await Child.start("work_until_killed", url, "wrkr_1")
    said = [await child.hear() for _ in range(heard)]
    child.kill()
    said += await child.rest()
    assert child.returncode == -signal.SIGKILL

    world = SqliteWorld(url)
    await world.open()
    acknowledged = dict.fromkeys((f"wrun_{n}" for n in range(4)), 0)
    for line in said:
        run_id, _, head = line.partition(" ")
        if head.isdigit():  # the last line may be torn
            acknowledged[run_id] = int(head)
    for run_id, known in acknowledged.items():
        log = await world.events(run_id)
        run = await world.get_run(run_id)
        assert [event.seq for event in log] == list(range(1, run.head + 1))
        assert run.head >= known
        steps = (await world.load(run_id)).held.steps
        assert {step.id: step.status for step in steps.values()} == _open(log)
        assert len(steps) == 1
    assert await world.release(["wrkr_1"]) == 4
    assert len(await take(world, SECOND)) == 4
    await world.close()


def _open(log: list[Event]) -> dict[str, str]:
    """Return which steps a log leaves open, and in which state; each was begun as it was created."""
    states: dict[str, str] = {}
    for event in log:
        if event.type == "step_created":
            states[event.id] = "running"
        elif event.type == "step_completed":
            del states[event.id]
    return states


async def test_a_process_killed_inside_a_transaction_leaves_nothing_of_it(world: SqliteWorld, url: str) -> None:
    """Pages that it had written are not seen, and the lock is gone with it."""
    child = await Child.start("stop_inside", url, RUN)
    assert await child.hear() == "inside"
    child.kill()
    await child.rest()
    await world.create_run(new_run())
    assert await world.blob(f"{RUN} 0") is None
    assert [(event.type, event.seq) for event in await world.events(RUN)] == [("run_created", 1)]


async def test_a_writer_waits_for_another_process(world: SqliteWorld, url: str) -> None:
    """Who comes while another writes is stored after it."""
    child = await Child.start("stop_inside", url, RUN)
    assert await child.hear() == "inside"
    creation = asyncio.ensure_future(world.create_run(new_run()))
    child.go()
    assert (await creation).id == RUN
    await child.rest()
    assert await world.blob(f"{RUN} 0") == bytes(4000)


async def test_a_file_that_stays_locked_is_an_error(tmp_path: Path) -> None:
    """After the timeout nothing is stored, the error says what to do, and the world works again afterwards."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db?busy_timeout_ms=20")
    await world.open()
    other = sqlite3.connect(tmp_path / "torpor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorldError, match=r"creation of run wrun_01A failed .*busy_timeout_ms"):
        await world.create_run(new_run())
    other.execute("ROLLBACK")
    other.close()
    assert (await world.create_run(new_run())).id == RUN
    await world.close()


async def test_a_fork_must_open_the_world_too(url: str) -> None:
    """It is told so; then it works there, and its parent's goes on."""
    child = await Child.start("fork", url)
    refused, runs = await child.rest()
    assert "is used in its fork" in refused
    assert "await its open() there too" in refused
    assert runs == "wrun_child wrun_parent"


async def test_processes_may_make_the_file_at_once(url: str) -> None:
    """One of them makes the schema, the others find it."""
    children = [await Child.start("create", url, f"wrun_{n}") for n in range(4)]
    for child in children:
        await child.rest()
    assert [child.returncode for child in children] == [0] * 4
