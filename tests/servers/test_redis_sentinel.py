"""A primary on Redis that is replaced under load, and commits that wait for replicas."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.redis_server import RedisServer, started
from tests.servers.databases import wait_until
from tests.servers.load import Load
from tests.servers.sentinels import Watched, free_port, watched
from torpor.client import Client
from torpor.errors import WorldError
from torpor.testing.worlds.story import RUN, begin, new_run, step, types
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world
from torpor.worlds.redis.memory import Memory
from torpor.worlds.redis.world import RedisWorld

_RUNS = 24


@pytest.fixture
def shop() -> Iterator[Watched]:
    """Yield a primary with two replicas, and three sentinels."""
    with watched("--appendfsync", "always", replicas=2, sentinels=3) as them:
        yield them


async def test_a_primary_is_replaced_under_load(shop: Watched) -> None:
    """
    First in order, while it is there, then because it is killed; it comes back as a replica.

    Every commit waits for all replicas, and whatever was waited for is there: nothing is lost, nothing stored twice.
    """

    async def disturb(load: Load) -> None:
        await load.until_share(0.25)
        await asyncio.to_thread(shop.take_over)
        await load.until_share(0.6)
        await asyncio.to_thread(shop.kill)

    with mock.patch.object(Memory, "compare", _lost_nothing):
        await Load(f"{shop.url}?replicas=2", _RUNS).carry_out(disturb)


def _lost_nothing(self: Memory, before: dict[bytes, int], noted: dict[bytes, bytes], life: str = "") -> None:
    losses = self.losses
    _compare(self, before, noted, life)
    assert self.losses == losses, "an answer that was waited for is forgotten"


_compare = Memory.compare


async def test_a_replica_that_lacks_the_last_moments_takes_over(tmp_path: Path) -> None:
    """What is lost is carried out again, and nothing is stored twice."""
    with started() as primary, started() as replica:
        address = tmp_path / "address"  # which leads to one of them, as that of a load balancer would
        address.symlink_to(primary.socket)
        url, port = f"redis+unix://{address}", free_port()
        primary.execute("CONFIG", "SET", "port", str(port))
        replica.execute("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        primary.execute("CONFIG", "SET", "repl-diskless-sync-delay", "0")

        def follow() -> None:
            replica.execute("REPLICAOF", "127.0.0.1", str(port))
            wait_until(lambda: _count(primary, "replication", "connected_slaves") == 1, "the replica follows")
            assert primary.execute("WAIT", "1", "10000") == 1

        def part() -> None:
            replica.execute("REPLICAOF", "NO", "ONE")

        def take_over() -> None:
            primary.kill()
            address.with_name("n").symlink_to(replica.socket)
            address.with_name("n").replace(address)

        async def disturb(load: Load) -> None:
            await load.until_share(0.2)
            await asyncio.to_thread(follow)
            await load.until_share(0.35)
            await asyncio.to_thread(part)
            await load.until_share(0.6)
            await asyncio.to_thread(take_over)
            async with opened(open_world(url)) as world:  # some had ended, which is lost
                await asyncio.gather(*(Client(world).run(f"wrun_{n:03}").result(timeout=60) for n in range(_RUNS)))

        await Load(url, _RUNS).carry_out(disturb)


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """Yield a server and its replica."""
    port = free_port()
    local = ("--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
    with (
        started(*local, "--port", str(port), "--appendonly", "yes") as primary,
        started(*local, "--replicaof", f"127.0.0.1 {port}") as replica,
    ):
        wait_until(lambda: _count(primary, "replication", "connected_slaves") == 1, "the replica follows")
        yield primary, replica


def _count(server: RedisServer, section: str, name: str, part: str = "") -> int:
    about = server.execute("INFO", section)
    assert isinstance(about, dict)
    found = about.get(name, 0)
    return int(found[part] if isinstance(found, dict) else found)


async def test_a_commit_waits_for_the_replica(pair: tuple[RedisServer, RedisServer]) -> None:
    """One that stands still has not got it; once it goes on the commit is stored, once, though it was sent again."""
    primary, replica = pair
    with mock.patch("torpor.worlds.redis.connection.REPLICAS_MS", 50):
        async with opened(open_world(f"{primary.url}?replicas=1")) as world:
            turn = await begin(world)
            before = _count(primary, "commandstats", "cmdstat_wait", "calls")
            os.kill(replica.pid, signal.SIGSTOP)
            committing = asyncio.ensure_future(turn.commit(step("step_created", 1)))
            await asyncio.to_thread(
                wait_until,
                lambda: _count(primary, "commandstats", "cmdstat_wait", "calls") >= before + 3,
                "it is asked for again and again",
            )
            assert not committing.done()
            os.kill(replica.pid, signal.SIGCONT)
            assert (await committing).stored
            assert (await types(world)).count("step_created") == 1


async def test_who_waited_for_replicas_in_vain_says_so(pair: tuple[RedisServer, RedisServer]) -> None:
    """The server has it, and may lose it: nobody claims that it was stored, nor that it was not."""
    primary, replica = pair
    with (
        mock.patch("torpor.worlds.redis.connection.REPLICAS_MS", 50),
        mock.patch("torpor.worlds.redis.connection.PATIENCE_SECONDS", 0.0),
    ):
        async with opened(open_world(f"{primary.url}?replicas=1")) as world:
            os.kill(replica.pid, signal.SIGSTOP)
            try:
                with pytest.raises(WorldError, match=r"whether it is stored .*0 of 1 replicas have acknowledged"):
                    await world.create_run(new_run())
            finally:
                os.kill(replica.pid, signal.SIGCONT)


async def test_replicas_are_told(pair: tuple[RedisServer, RedisServer], caplog: pytest.LogCaptureFixture) -> None:
    """Doctor says how many there are; who waits for more than there are is warned when the world opens."""
    primary, _ = pair
    assert "nobody waits for them" in await _told(primary.url)
    assert "acknowledged by 1 of them" in await _told(f"{primary.url}?replicas=1")
    with caplog.at_level("WARNING", "torpor.worlds"):
        assert "nothing is stored before there are as many" in await _told(f"{primary.url}?replicas=2")
    assert "nothing is stored before there are as many" in caplog.text


async def _told(url: str) -> str:
    world = open_world(url)
    assert isinstance(world, RedisWorld)
    async with opened(world):
        return (await world.examine_server())["replicas"].text


async def test_a_server_that_wants_replicas_is_waited_for() -> None:
    """By its ``min-replicas-to-write``; nothing is written by halves, and all of it once there are enough."""
    with started() as server:
        async with opened(open_world(server.url)) as world:
            server.execute("CONFIG", "SET", "min-replicas-to-write", "1")
            creating = asyncio.ensure_future(world.create_run(new_run()))
            await asyncio.to_thread(
                wait_until,
                lambda: _count(server, "errorstats", "errorstat_NOREPLICAS", "count") >= 2,
                "it is asked for again",
            )
            assert not creating.done()
            server.execute("CONFIG", "SET", "min-replicas-to-write", "0")
            assert (await creating).id == RUN
            assert await types(world) == ["run_created"]
            assert await world.damaged() == []
