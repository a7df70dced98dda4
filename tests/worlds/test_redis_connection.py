"""What a Redis world does with its connections and its server: lost answers, refusals, and what it leaves there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio
import redis

from tests.redis_server import empty_redis, shared_server, started
from torpor.errors import ConfigurationError, WorldError
from torpor.model import RunFilter
from torpor.testing.worlds.story import (
    RUN,
    WORKER,
    begin,
    begin_task,
    claim_step,
    new_run,
    outcome,
    request,
    step,
    types,
    worker_row,
)
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world
from torpor.worlds.redis.connection import Connection
from torpor.worlds.redis.scripts import STORE
from torpor.worlds.redis.world import RedisWorld


@pytest.fixture
def url() -> str:
    """A server without a world."""
    return empty_redis()


@pytest_asyncio.fixture
async def world(url: str) -> AsyncIterator[RedisWorld]:
    """An open world, whose clock is the server's."""
    async with opened(open_world(url)) as world:
        assert isinstance(world, RedisWorld)
        yield world


@contextmanager
def _answer_lost(*, before: bool) -> Iterator[list[str]]:
    """Lose the connection around the next storing of something: before the server has seen it, or behind that."""
    lost: list[str] = []
    run = Connection._run  # what is between a store and its server

    def losing(self: Connection, client: redis.Redis, script: str, *arguments: Any, **options: Any) -> Any:
        if script != STORE or lost:
            return run(self, client, script, *arguments, **options)
        lost.append("answer")
        if not before:
            run(self, client, script, *arguments, **options)
        raise redis.ConnectionError("the connection was lost")

    with mock.patch.object(Connection, "_run", losing):
        yield lost


def _cut() -> None:
    shared_server().execute("CLIENT", "KILL", "TYPE", "normal")


# Lost answers


@pytest.mark.parametrize("before", [True, False])
async def test_a_claim_whose_answer_is_lost_is_known(world: RedisWorld, before: bool) -> None:
    """If it was stored, the tasks are handed out; if not, it is made again: no task is lost, and none claimed twice."""
    await world.create_run(new_run())
    await world.register(worker_row())
    with _answer_lost(before=before) as lost:
        [task] = (await world.claim(request())).tasks
    assert lost
    assert (task.run_id, task.epoch) == (RUN, 1)
    assert (await world.get_run(RUN)).epoch == 1


@pytest.mark.parametrize("before", [True, False])
async def test_an_outcome_whose_answer_is_lost_is_stored_once(world: RedisWorld, before: bool) -> None:
    """The log has it once, and its worker is told that it is stored."""
    await begin_task(world)
    task = await claim_step(world)
    with _answer_lost(before=before) as lost:
        await world.finish_step(outcome(task, "step_completed"))
    assert lost
    assert (await types(world)).count("step_completed") == 1


@pytest.mark.parametrize("before", [True, False])
async def test_a_commit_whose_answer_is_lost_is_stored_once(world: RedisWorld, before: bool) -> None:
    """Its turn goes on."""
    turn = await begin(world, RUN, step("step_created", 1, attempt=1))
    with _answer_lost(before=before) as lost:
        assert (await turn.commit(step("step_created", 2), inputs=[step("step_completed", 1)])).stored
    assert lost
    assert (await types(world))[2:] == ["step_created", "step_completed", "step_created"]


async def test_who_cannot_ask_whether_it_is_stored_says_so() -> None:
    """The server is gone behind the question; nobody claims that nothing was stored."""
    with (
        started() as server,
        mock.patch("torpor.worlds.redis.connection.PATIENCE_SECONDS", 0.0),
    ):
        async with opened(open_world(server.url)) as world:
            with _answer_lost(before=False):
                stopping = asyncio.create_task(world.create_run(new_run()))
                with pytest.raises(WorldError, match="cannot be asked whether it is stored"):
                    await stopping


# Cut connections


async def test_who_was_cut_goes_on(world: RedisWorld) -> None:
    """All connections are ended by the server, between operations; claims and commits go on over new ones."""
    turn = await begin(world)
    _cut()
    assert (await turn.commit(step("step_created", 1))).stored
    _cut()
    assert (await world.get_run(RUN)).head == 3
    _cut()
    assert (await world.heartbeat(WORKER)).known
    _cut()
    assert [run.id for run in await world.list_runs(RunFilter())] == [RUN]


async def test_a_blob_that_is_cut_has_all_its_pieces(world: RedisWorld) -> None:
    """It is written anew when its connection was lost between two of them."""
    data = bytes(range(256)) * 12_000
    ask, seen = Connection.ask, list[bytes]()  # where the pieces go

    def cutting(self: Connection, *commands: Any) -> list[Any]:
        found = ask(self, *commands)
        if commands[0][0] == "SETRANGE":
            seen.append(commands[0][1])
            if len(seen) == 2:
                _cut()
                shared_server().execute("DEL", commands[0][1])  # as a server does that lacks what came last
        return found

    with mock.patch.object(Connection, "ask", cutting):
        await world.put_blob("file/long", data)
    assert len({*seen}) == 2, "it was begun anew"
    assert await world.blob("file/long") == data
    assert not [key for key in _keys() if b"blob-writing" in key and seen[0] not in key]


async def test_a_server_that_forgot_its_scripts_is_told_them_again(world: RedisWorld) -> None:
    """As one does that was restarted."""
    turn = await begin(world)
    shared_server().execute("SCRIPT", "FLUSH")
    assert (await turn.commit(step("step_created", 1))).stored


# The server


async def test_a_server_that_forgets_is_refused() -> None:
    """A cache throws away what was not asked for lately."""
    with started("--maxmemory-policy", "allkeys-lru") as server:
        with pytest.raises(ConfigurationError, match=r"maxmemory-policy is allkeys-lru.*set it to noeviction"):
            await open_world(server.url).open()
        assert server.execute("DBSIZE") == 0


async def test_a_replica_is_refused() -> None:
    """What is written to it is not kept, or not taken."""
    with started("--replicaof", "127.0.0.1 1") as server, pytest.raises(ConfigurationError, match="is a replica; name"):
        await open_world(server.url).open()


async def test_a_full_server_stores_nothing() -> None:
    """An operation is refused whole, and the world goes on when there is room again."""
    with started() as server:
        async with opened(open_world(server.url)) as world:
            server.execute("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(WorldError, match="no memory left; raise its maxmemory"):
                await world.create_run(new_run())
            server.execute("CONFIG", "SET", "maxmemory", "0")
            assert await world.list_runs(RunFilter()) == []
            assert (await world.create_run(new_run())).id == RUN


async def test_a_server_without_a_log_is_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Once, when the world is opened."""
    with caplog.at_level(logging.WARNING, "torpor.worlds"):
        async with opened(open_world(url)):
            pass
    assert ["set appendonly yes" in record.message for record in caplog.records] == [True]


async def test_a_world_of_a_newer_version_is_refused(url: str) -> None:
    """It is left as it is."""
    shared_server().execute("SET", "{torpor}:format", 2)
    with pytest.raises(ConfigurationError, match="is of format 2, and this version of Torpor knows 1"):
        await open_world(url).open()


@pytest.mark.usefixtures("url")
async def test_a_user_with_few_rights_suffices() -> None:
    """Those that docs/redis.md names; whoever has no rights hears of it."""
    server = shared_server()
    server.execute("ACL", "SETUSER", "shop", "on", ">secret", "~{torpor}:*", "&{torpor}:*", *_RIGHTS)
    server.execute("ACL", "SETUSER", "guest", "on", ">secret", "~{torpor}:*", "&{torpor}:*", "+@read", "+ping", "+info")
    address = f"redis+unix://{{}}:secret@{server.socket}"
    try:
        async with opened(open_world(address.format("shop"))) as world:
            turn = await begin(world)
            assert (await turn.commit(step("step_created", 1))).stored
            assert "secret" not in world.url
        with pytest.raises(WorldError, match=r"give the user its rights: docs/redis\.md says which"):
            await open_world(address.format("guest")).open()
        with pytest.raises(ConfigurationError, match="check user and password in its URL"):
            await open_world(address.format("nobody")).open()
    finally:
        server.execute("ACL", "DELUSER", "shop", "guest")


_RIGHTS = ("+@all", "-@admin", "-@dangerous", "+info", "+ping")


async def test_worlds_share_a_server(url: str) -> None:
    """Each has its name, and finds nothing of the other."""
    async with opened(open_world(url)) as one, opened(open_world(f"{url}?world=other")) as other:
        await one.create_run(new_run())
        assert await other.list_runs(RunFilter()) == []
        assert await other.runs_beginning_with("") == []


async def test_nothing_is_left_of_a_run_and_of_connections(world: RedisWorld) -> None:
    """A deleted run leaves no key, and a closed world no note."""
    before = {key for key in _keys() if b":notes:" not in key}
    turn = await begin(world, RUN, step("step_created", 1, attempt=1))
    await turn.commit(inputs=[step("step_completed", 1)])
    await world.cancel_run(RUN, "enough", force=True)
    assert await world.delete_run(RUN)
    await world.release([WORKER])
    await world.heartbeat("nobody")
    await world.close()
    assert _keys() - before <= {b"{torpor}:created", b"{torpor}:routes"}


def _keys() -> set[bytes]:
    found = shared_server().execute("KEYS", "*")
    assert isinstance(found, list)
    return set(found)


# Damage


async def test_damage_is_named_and_stops_nobody_else(world: RedisWorld) -> None:
    """A log that lacks an event, a row that cannot be read, and what is of nobody; other runs are claimed."""
    for n in range(3):
        await world.create_run(new_run(f"wrun_{n}"))
    assert await world.damaged() == []
    server = shared_server()
    server.execute("HSET", "{torpor}:run:wrun_0", "changed", b"\xc1")
    server.execute("RPOP", "{torpor}:log:wrun_1")
    server.execute("RPUSH", "{torpor}:log:wrun_gone", b"x")
    found = [str(damage) for damage in await world.damaged()]
    assert len(found) == 3
    assert "wrun_0" in found[0]
    assert "it has 0 events instead of 1" in found[1]
    assert "there is no run wrun_gone" in found[2]
    await world.register(worker_row())
    assert {task.run_id for task in (await world.claim(request())).tasks} == {"wrun_1", "wrun_2"}
    assert [run.id for run in await world.list_runs(RunFilter()) if not run.damage] == ["wrun_2", "wrun_1"]
