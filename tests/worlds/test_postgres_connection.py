"""Connections that are cut, servers that restart, answers that are lost: nobody dies, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg.pq.abc import PGresult

from tests.postgres_server import execute, restart
from tests.worlds.empty_postgres import server, world
from torpor.errors import ConfigurationError, LeaseLostError, UsageError
from torpor.model import Commit, Event
from torpor.testing.worlds.notices import Ear
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    begin,
    begin_task,
    claim_step,
    hook,
    new_run,
    outcome,
    request,
    step,
    take,
    types,
    worker_row,
)
from torpor.worlds import open_world
from torpor.worlds.postgres import PostgresWorld, parameters, schema
from torpor.worlds.postgres.connection import Connection, LostError
from torpor.worlds.postgres.statements import Statement
from torpor.worlds.postgres.wire import Wire
from torpor.worlds.server_times import ServerTimes

__all__ = ["server", "world"]

_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'torpor' AND pid <> {}"


def _cut(server: str) -> None:
    """Let the server end all connections but the one that says so, which somebody else may end."""
    with suppress(psycopg.Error):
        execute(server, _CUT.format("pg_backend_pid()"))


@contextmanager
def _answers_lost(statement: str, times: int = 1, *, before: bool = False) -> Iterator[list[str]]:
    """Cut the connection after a statement was carried out, so that its answer is lost, or before it is sent."""
    left = times
    done: list[str] = []
    send = Wire.send

    def losing(self: Wire, statements: Iterable[Statement]) -> list[PGresult]:
        nonlocal left
        kept = list(statements)
        if not kept or kept[-1][0] != statement or not left:
            return send(self, kept)
        left -= 1
        done.append(statement)
        if not before:
            send(self, kept)
        self._pg.finish()
        raise psycopg.OperationalError("the connection was lost")

    with mock.patch.object(Wire, "send", losing):
        yield done


@contextmanager
def _pipelines_lost(*, before: bool = False) -> Iterator[list[str]]:
    """Do the same with the next pipeline that is a transaction of its own."""
    done: list[str] = []
    store = Connection.store

    def losing(self: Connection, statements: Any) -> None:
        if self._is_inside or done:
            store(self, statements)
            return
        done.append("pipeline")
        kept = list(statements)
        if not before:
            store(self, kept)
        self.db.close()
        store(self, kept)  # on a connection that is gone

    with mock.patch.object(Connection, "store", losing):
        yield done


# Cut connections


async def test_who_was_cut_goes_on(world: PostgresWorld, server: str) -> None:
    """All connections are ended by the server, between operations; claims and commits go on over new ones."""
    turn = await begin(world)
    _cut(server)
    assert (await turn.commit(step("step_created", 1))).stored
    _cut(server)
    assert (await world.get_run(RUN)).head == 3
    _cut(server)
    assert (await world.heartbeat(WORKER)).known
    _cut(server)
    assert [run.id for run in (await world.statuses([RUN])).values()] == [RUN]


async def test_many_operations_come_through_cuts(world: PostgresWorld, server: str) -> None:
    """Whatever was under way; each run is created once, and each is claimed once."""

    async def create(n: int) -> None:
        await world.create_run(new_run(f"wrun_{n:02}"))
        if n % 10 == 0:
            await asyncio.to_thread(_cut, server)

    await asyncio.gather(*(create(n) for n in range(50)))
    await world.register(worker_row())
    claimed: list[str] = []
    while tasks := (await world.claim(request(turns_max=7))).tasks:
        claimed += [task.run_id for task in tasks]
        await asyncio.to_thread(_cut, server)
    assert sorted(claimed) == [f"wrun_{n:02}" for n in range(50)]


async def test_a_restart_of_the_server_kills_nobody(world: PostgresWorld, server: str) -> None:
    """Operations wait for the server, claims stay good, and nobody was silent while it was away."""
    turn = await begin(world)
    restarting = asyncio.create_task(asyncio.to_thread(restart, server))
    results = await asyncio.gather(*(world.create_run(new_run(f"wrun_{n}")) for n in range(8)))
    await restarting
    assert len({run.id for run in results}) == 8
    await world.register(worker_row(SECOND))
    assert not any(row.expired for row in (await world.heartbeat(SECOND)).others)
    assert (await turn.commit(step("step_created", 1))).stored


def test_silence_begins_with_the_server() -> None:
    """A server that was away for an hour has heard nobody, and takes nobody for dead."""
    times = ServerTimes()
    hour = 3_600_000
    now, started_at = times.told(10 * hour, 10 * hour - 5)
    assert times.silence(now, times.beat(9 * hour), started_at) == 5
    assert times.silence(now, times.beat(9 * hour), 8 * hour) == hour
    assert abs(times.clock.now() - 10 * hour) < hour


async def test_who_listens_hears_again(world: PostgresWorld, server: str) -> None:
    """After its connection was cut it is told to look, for it may have missed something."""
    ear = Ear(world)
    _cut(server)
    await ear.wait_for(lambda notice: notice.work and notice.ended and notice.run_id is None)


# Lost answers


@pytest.mark.parametrize("before", [True, False])
async def test_a_claim_whose_answer_is_lost_is_known(world: PostgresWorld, before: bool) -> None:
    """If it was stored, the tasks are handed out; if not, it is made again: no task is lost, and none claimed twice."""
    await world.create_run(new_run())
    await world.register(worker_row())
    with _answers_lost("COMMIT", before=before) as lost:
        [task] = (await world.claim(request())).tasks
    assert lost == ["COMMIT"]
    assert (task.run_id, task.epoch) == (RUN, 1)
    assert (await world.get_run(RUN)).epoch == 1


@pytest.mark.parametrize("before", [True, False])
async def test_an_outcome_whose_answer_is_lost_is_stored_once(world: PostgresWorld, before: bool) -> None:
    """The log has it once, and its worker is told that it is stored."""
    await begin_task(world)
    task = await claim_step(world)
    with _answers_lost("COMMIT", before=before) as lost:
        await world.finish_step(outcome(task, "step_completed"))
    assert lost == ["COMMIT"]
    assert (await types(world)).count("step_completed") == 1


@pytest.mark.parametrize("before", [True, False])
async def test_a_commit_whose_answer_is_lost_is_stored_once(world: PostgresWorld, before: bool) -> None:
    """One pipeline has no id to ask for: its last event is looked for."""
    turn = await begin(world, RUN, step("step_created", 1, attempt=1))
    with _pipelines_lost(before=before) as lost:
        assert (await turn.commit(step("step_created", 2), inputs=[step("step_completed", 1)])).stored
    assert lost == ["pipeline"]
    assert (await types(world))[2:] == ["step_created", "step_completed", "step_created"]


@pytest.mark.parametrize("before", [True, False])
async def test_a_park_whose_answer_is_lost_is_stored_once(world: PostgresWorld, before: bool) -> None:
    """A commit without events is known by what it made of the run."""
    turn = await begin(world)
    with _pipelines_lost(before=before):
        assert (await turn.commit(park=True)).parked
    assert (await world.get_run(RUN)).worker == ""


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("what", ["claim", "outcome", "end"])
async def test_another_server_is_asked_for_what_is_stored(world: PostgresWorld, what: str, before: bool) -> None:
    """After a failover ids of transactions are others': the claim, the event or the end itself is looked for."""
    turn = await begin_task(world)
    task = None if what == "claim" else await claim_step(world)
    with _answers_lost("COMMIT", before=before) as lost, _another_server():
        if what == "claim":
            assert (await claim_step(world)).epoch == 1
        elif what == "outcome":
            assert task is not None
            await world.finish_step(outcome(task, "step_completed"))
        else:
            await world.cancel_run(RUN, "", force=True)
    assert lost == ["COMMIT"]
    if what != "claim":
        assert (await types(world))[3:] == ["step_completed" if what == "outcome" else "run_cancelled"]
    assert turn.task.run_id == RUN


@contextmanager
def _another_server() -> Iterator[None]:
    """Let each connection be to a server that numbers its transactions anew."""
    connect = Connection._connect

    def connecting(self: Connection) -> psycopg.Connection:
        db = connect(self)
        self._server = (*self._server, object())
        return db

    with mock.patch.object(Connection, "_connect", connecting):
        yield


async def test_a_stale_commit_is_refused_after_a_lost_answer(world: PostgresWorld) -> None:
    """Who was fenced off meanwhile stores nothing."""
    turn = await begin(world)
    await world.release([WORKER])
    with _pipelines_lost(before=True), pytest.raises(LeaseLostError):
        await turn.commit(step("step_created", 1))


# Opening


async def test_a_database_that_is_not_there_is_told(server: str) -> None:
    """With what to check, and without the password."""
    url = server.replace("postgres:@/postgres", "postgres:secret@/nowhere")
    with pytest.raises(ConfigurationError, match=r'database "nowhere" does not exist; check user') as caught:
        await open_world(url).open()
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("world")
async def test_a_newer_schema_is_left_alone(server: str) -> None:
    """It belongs to a newer version, which is what to use."""
    execute(server, "INSERT INTO torpor.migrations (number, name) VALUES (99, 'later')")
    try:
        with pytest.raises(ConfigurationError, match="has schema 99, this version of torpor knows up to"):
            await open_world(server).open()
    finally:
        execute(server, "DELETE FROM torpor.migrations WHERE number = 99")


async def test_a_schema_is_made_once(server: str) -> None:
    """By several at once, with no other right than to make a schema in the database."""
    for statement in ("DROP DATABASE IF EXISTS fresh", "DROP ROLE IF EXISTS shop", "CREATE ROLE shop LOGIN"):
        execute(server, statement)
    execute(server, "CREATE DATABASE fresh OWNER shop")
    url = server.replace("postgres:@/postgres", "shop@/fresh")
    worlds = [open_world(url) for _ in range(3)]
    await asyncio.gather(*(world.open() for world in worlds))
    await worlds[0].create_run(new_run())
    assert len(await take(worlds[1])) == 1
    for each in worlds:
        await each.close()
    assert execute(url, "SELECT number, name FROM torpor.migrations ORDER BY number") == [
        (number, name) for number, (name, _) in enumerate(schema.MIGRATIONS, start=1)
    ]


@pytest.mark.usefixtures("world")
async def test_who_is_cut_while_it_opens_opens_all_the_same(server: str) -> None:
    """Its first question has no answer, for the server ends the session."""
    version = schema.version
    asked: list[int] = []

    def cut(connection: Connection, url: str) -> int:
        asked.append(connection.db.info.backend_pid)
        if len(asked) == 1:
            connection.rows("SELECT pg_terminate_backend(pg_backend_pid())")
        return version(connection, url)

    opened = open_world(server)
    with mock.patch.object(schema, "version", cut):
        await opened.open()
    assert len(set(asked)) == 2
    await opened.close()


async def test_a_closed_world_is_not_used(world: PostgresWorld) -> None:
    """Its error says what to do."""
    await world.close()
    with pytest.raises(UsageError, match="await its open"):
        await world.get_run(RUN)


# Within


async def test_a_failed_pipeline_spoils_no_statement(world: PostgresWorld) -> None:
    """What stood behind the failure was not prepared, though the driver had sent it."""
    turn = await begin(world)
    for n in range(1, 8):  # so often that statements are prepared
        await turn.commit(step("step_created", n))
    for n in range(20):
        with pytest.raises(LeaseLostError):
            await _stale(world, turn.task.epoch + 1 + n)
        assert (await turn.commit(hook("hook_created", 100 + n, f"t{n}"))).stored


async def _stale(world: PostgresWorld, epoch: int) -> None:
    state = await world.load(RUN)
    held = replace(state.held, run=replace(state.run, epoch=epoch))
    commit = Commit(RUN, WORKER, epoch, state.run.head, outputs=(Event("step_created", 0, "late", op=9),), ops=1)
    await world.commit(commit, held)


async def test_damage_is_named(world: PostgresWorld, server: str) -> None:
    """A log that lacks an event, rows of nobody, and a turn that is not what its run says."""
    await begin(world, RUN, step("step_created", 1))
    assert await world.damaged() == []
    execute(server, "DELETE FROM torpor.events WHERE run = %s AND seq = 2", RUN)
    execute(server, "UPDATE torpor.turns SET worker = 'wrkr_other'")
    execute(server, "INSERT INTO torpor.waits VALUES ('wrun_gone', 'w', 1, 1)")
    found = [str(damage) for damage in await world.damaged()]
    assert len(found) == 3
    assert "it has 2 events from 1 to 3" in found[0]
    assert "not what the run says" in found[1]
    assert "of run wrun_gone is damaged: there is no such run" in found[2]


@given(st.text(alphabet=st.sampled_from("a\0\ue00001")))
def test_texts_come_back(text: str) -> None:
    """Whatever characters they have; what is stored has none that Postgres lacks."""
    stored = parameters.stored(text)
    assert "\0" not in stored
    assert parameters.read(stored) == text


async def test_an_idle_poll_writes_nothing(world: PostgresWorld, server: str) -> None:
    """Who looks for work where there is none begins no transaction that has a number."""
    await world.register(worker_row())
    await world.claim(request())
    numbers = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
    before = execute(server, numbers)
    for _ in range(5):
        await world.claim(request())
    assert execute(server, numbers) == before


async def test_a_commit_that_is_still_under_way_is_waited_for(world: PostgresWorld, server: str) -> None:
    """The session that was cut commits a moment after its successor has begun to look."""
    turn = await begin(world)
    store, looks = Connection.store, asyncio.Event()
    loop = asyncio.get_running_loop()
    slow = psycopg.connect(server, autocommit=False)

    def losing(self: Connection, statements: Any) -> None:
        if looks.is_set():
            store(self, statements)
            return
        for query, values in statements:
            slow.execute(query, values)
        loop.call_soon_threadsafe(looks.set)
        self.drop()
        raise LostError

    async def finish() -> None:
        await looks.wait()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%FOR UPDATE%%'"
        while not await asyncio.to_thread(execute, server, waiting):
            pass
        await asyncio.to_thread(slow.commit)

    with mock.patch.object(Connection, "store", losing):
        committed, _ = await asyncio.gather(turn.commit(step("step_created", 1)), finish())
    slow.close()
    assert committed.stored
    assert (await types(world))[2:] == ["step_created"]


async def test_who_hears_while_telling_keeps_the_connection(world: PostgresWorld, server: str) -> None:
    """What came from another process is news, and no sign that the connection was cut."""
    other = open_world(server)
    assert isinstance(other, PostgresWorld)
    await other.open()
    unsubscribe = world.subscribe(lambda _: None)
    ears = [each._telling for each in (world, other) if each._telling is not None]
    before = [ear._connection._db for ear in ears]
    for n in range(40):
        await asyncio.gather(world.create_run(new_run(f"wrun_a{n}")), other.create_run(new_run(f"wrun_b{n}")))
    unsubscribe()
    assert len(ears) == 2
    assert [ear._connection._db for ear in ears] == before
    await other.close()
