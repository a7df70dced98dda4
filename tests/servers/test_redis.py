"""A real Redis server that is cut, restarted and killed while workers work: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capsules.moved import NOTES, app, walk
from tests.cli.processes import Process, run
from tests.redis_server import RedisServer, started
from tests.servers.databases import wait_until
from tests.servers.load import Load
from tests.servers.sentinels import free_port, role
from torpor.client import Client
from torpor.testing.worlds.story import RUN, WORKER, begin_task, claim_step, new_run, outcome, request, take, worker_row
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world

_RUNS = 24
_LOCAL = ("--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Yield a server that writes its log."""
    with started("--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


@pytest.fixture
def fresh(server: RedisServer) -> RedisServer:
    """Return it without a world."""
    server.execute("FLUSHALL")
    return server


async def test_connections_are_cut_under_load(fresh: RedisServer) -> None:
    """The server ends all of them, again and again."""

    async def cut(load: Load) -> None:
        for n in range(1, 9):
            await load.until_share(n / 10)
            for kind in ("normal", "pubsub"):
                await asyncio.to_thread(fresh.execute, "CLIENT", "KILL", "TYPE", kind)

    await Load(fresh.url, _RUNS).carry_out(cut)


@pytest.mark.parametrize("how", ["in order", "as a crash"])
async def test_the_server_is_restarted_under_load(fresh: RedisServer, how: str, rounds: int) -> None:
    """Work goes on when it has read its log; what was answered is there, what was not is done once."""

    def restart() -> None:
        if how == "in order":
            fresh.stop()
        else:
            fresh.kill()
        fresh.start()

    async def disturb(load: Load) -> None:
        times = rounds // 2
        for n in range(1, times + 1):
            await load.until_share(n / (times + 1))
            await asyncio.to_thread(restart)

    await Load(fresh.url, _RUNS * max(1, rounds // 4)).carry_out(disturb)


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """Yield two servers that reach one another by ports of this machine."""
    with started(*_LOCAL, "--port", str(free_port())) as one, started(*_LOCAL, "--port", str(free_port())) as other:
        yield one, other


async def test_a_replica_takes_over_under_load(pair: tuple[RedisServer, RedisServer]) -> None:
    """By ``FAILOVER``, which waits until it has all: the old primary goes on as its replica, and nothing is lost."""
    primary, replica = pair
    ports = [port_of(server) for server in pair]
    address = primary.folder / "address"  # which leads to one of them, as that of a load balancer would
    address.symlink_to(primary.socket)

    def take_over() -> None:
        replica.execute("REPLICAOF", "127.0.0.1", ports[0])
        wait_until(lambda: b"online" in str(primary.execute("INFO", "replication")).encode(), "the replica follows")
        primary.execute("FAILOVER", "TO", "127.0.0.1", ports[1], "TIMEOUT", 20_000)
        wait_until(lambda: role(replica) == b"master" and role(primary) == b"slave", "it has taken over")
        address.with_name("n").symlink_to(replica.socket)
        address.with_name("n").replace(address)

    async def disturb(load: Load) -> None:
        await load.until_share(0.4)
        await asyncio.to_thread(take_over)

    await Load(f"redis+unix://{address}", _RUNS).carry_out(disturb)


def port_of(server: RedisServer) -> str:
    """Return the port at which a server can be reached."""
    found = server.execute("CONFIG", "GET", "port")
    assert isinstance(found, dict)
    return str(found[b"port"], "ascii")


async def test_a_crash_of_the_server_takes_nobody_for_dead(fresh: RedisServer) -> None:
    """Claims that were made before it stay good."""
    world = open_world(fresh.url)
    await world.open()
    await world.create_run(new_run())
    [task] = await take(world)
    await asyncio.to_thread(fresh.kill)
    await asyncio.to_thread(fresh.start)
    await world.register(worker_row("wrkr_other"))
    assert not any(row.expired for row in (await world.heartbeat("wrkr_other")).others)
    assert (await world.claim(request("wrkr_other"))).tasks == []
    assert (await world.get_run(RUN)).epoch == task.epoch
    await world.close()


async def test_a_server_that_has_forgotten_an_outcome_is_noticed() -> None:
    """It wrote its log a moment too late; a worker that has done its step already hears that it has no claims."""
    with started("--appendonly", "yes", "--appendfsync", "always") as server:
        async with opened(open_world(server.url)) as world:
            await begin_task(world)
            task = await claim_step(world)
            assert (await world.heartbeat(WORKER)).known
            log, kept = server.folder / "appendonlydir", server.folder / "kept"
            await asyncio.to_thread(shutil.copytree, log, kept)
            await world.finish_step(outcome(task, "step_completed"))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(shutil.rmtree, log)
            await asyncio.to_thread(kept.rename, log)
            await asyncio.to_thread(server.start)
            told = await world.heartbeat(WORKER)
            assert (told.known, told.orphans) == (False, 2)  # its turn, and its step
            await world.register(worker_row("wrkr_anew"))
            assert (await world.heartbeat("wrkr_anew")).known
            [again] = (await world.claim(request("wrkr_anew", turns_max=0))).tasks
            assert (again.step_id, again.attempt) == (task.step_id, 2)


@pytest.mark.long
async def test_a_world_moves_here_and_on(fresh: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file to Redis, where its run goes on, and back into a file; every step is carried out once."""
    notes, first, last = tmp_path / "notes", f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/last.db"
    monkeypatch.setenv(NOTES, str(notes))
    here, there = app.on(first), app.on(fresh.url)
    async with here, here.worker():
        await here.start(walk, "0", 2, run_id="walk-0")
        await here.resume_hook("go-0", 5, wait="60s")
        assert await here.run("walk-0").result(timeout=60) == 11
        await here.start(walk, "1", 2, run_id="walk-1")
        async for value in here.run("walk-1").stream("notes"):
            if value == 1:
                break
        await asyncio.to_thread(run, tmp_path, "move", "--from", first, "--to", fresh.url)
    async with there, there.worker():
        await there.resume_hook("go-1", 5, wait="60s")
        assert await there.run("walk-1").result(timeout=60) == 11
        assert await there.world.damaged() == []
    await asyncio.to_thread(run, tmp_path, "move", "--from", fresh.url, "--to", last)
    async with app.on(last) as back:
        for number in ("walk-0", "walk-1"):
            assert await back.run(number).result(timeout=10) == 11
            assert [value async for value in back.run(number).stream("notes", until="now")] == [0, 1, 2, 3]
    assert Counter(notes.read_text().splitlines()) == Counter(f"{n} {step}" for n in range(2) for step in range(4))


_APP = """
import os

from torpor import Torpor

app = Torpor()


@app.step
def add(total: int, n: int) -> int:
    with open(f"of-{os.getpid()}", "a") as notes:
        notes.write(f"{n}\\n")
    return total + n


@app.workflow
async def count(first: int) -> int:
    total = 0
    for n in range(first, first + 10):
        total = await add(total, n)
    return total
"""


@pytest.mark.long
async def test_worker_processes_share_a_world(fresh: RedisServer, tmp_path: Path) -> None:
    """Two processes work on many runs, and doctor has rows about them and their server."""
    (tmp_path / "app.py").write_text(_APP)
    setting = {"TORPOR_WORLD": fresh.url}
    world = open_world(fresh.url)
    with Process(tmp_path, "worker", "--processes", "2", **setting) as worker:
        await asyncio.to_thread(worker.wait_line, "is at work")
        await asyncio.to_thread(worker.wait_line, "is at work")
        told = await asyncio.to_thread(run, tmp_path, "doctor", "--json", **setting)
        async with opened(world):
            client = Client(world)
            runs = [await client.start("count", 10 * n) for n in range(8)]
            results = [await each.result(timeout=60) for each in runs]
        worker.send(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait_end) == 0
    assert results == [sum(range(10 * n, 10 * n + 10)) for n in range(8)]
    assert sorted(_executed(tmp_path), key=int) == [str(n) for n in range(80)]
    checks = json.loads(told)["checks"]
    assert len(checks["workers"]["alive"]) == 2
    assert [checks[name]["status"] for name in ("world", "server", "persistence", "server memory", "clock")] == [
        "ok"
    ] * 5
    assert "appendfsync always: a crash loses nothing that was answered" in checks["persistence"]["text"]


def _executed(folder: Path) -> list[str]:
    return [line for file in folder.glob("of-*") for line in file.read_text().split()]
