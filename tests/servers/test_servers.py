"""Real servers that are pooled, cut, restarted and replaced while workers work: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import empty
from tests.servers.databases import Server, folder, pooled, wait_until
from tests.servers.load import Load
from tests.servers.paying.paying import app as paying
from torpor.errors import RunNotFoundError, WorldError
from torpor.testing.worlds import CommitSuite, MakeWorld
from torpor.testing.worlds.story import RUN, new_run, request, take, worker_row
from torpor.world import World
from torpor.worlds import open_world

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid()"
)
_RUNS = 24

pytestmark = pytest.mark.timeout(600)  # seconds: servers and workers share the machine with other tests


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield a server of the system's version."""
    with folder() as home:
        server = Server(home)
        server.make()
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture
def fresh(server: Server) -> Server:
    """Return it with an empty world, or none."""
    empty(server.url)
    return server


class _OnThisServer:
    @pytest.fixture
    def make_world(self, fresh: Server) -> MakeWorld:
        """Make worlds that share a database."""
        return lambda clock=None: open_world(fresh.url, clock)


class TestCommits(_OnThisServer, CommitSuite):
    """See :class:`torpor.testing.worlds.CommitSuite`."""


async def test_a_pooler_is_in_between(fresh: Server) -> None:
    """PgBouncer in transaction mode; two workers share three connections, and hear of each other by looking."""
    with folder() as home, pooled(fresh, home) as url:
        await Load(f"{url}&prepare=off&listen=off", _RUNS).carry_out(_nothing)


async def test_transactions_go_through_a_pooler(fresh: Server) -> None:
    """
    Runs that are started in transactions of the application's, some of which are rolled back, and steps that are
    transactions: each stays on the one connection that PgBouncer gives it.
    """
    fresh.execute("DROP TABLE IF EXISTS paid")
    fresh.execute("CREATE TABLE paid (run text PRIMARY KEY)")
    with folder() as home, pooled(fresh, home) as url:
        driver = url.replace("postgres:", "postgresql:", 1)
        async with paying.on(f"{url}&prepare=off&listen=off") as app, app.worker():
            runs = []
            for order in range(_RUNS):
                async with await psycopg.AsyncConnection.connect(driver, prepare_threshold=None) as db:
                    runs.append(await app.start("paid", order, run_id=f"order-{order}", connection=db))
                    if order % 3 == 0:
                        await db.rollback()
            kept = [(order, run) for order, run in enumerate(runs) if order % 3]
            assert [await run.result(timeout=60) for _, run in kept] == [order for order, _ in kept]
            for order in range(0, _RUNS, 3):
                with pytest.raises(RunNotFoundError):
                    await app.run(f"order-{order}").info()
    paid = {run for (run,) in fresh.execute("SELECT run FROM paid")}
    assert paid == {run.id for _, run in kept}


async def test_a_pooler_that_is_not_expected_is_told(fresh: Server) -> None:
    """Statements that were prepared over one connection are not there on another one; the error says what to do."""
    with folder() as home, pooled(fresh, home) as url:
        worlds = [open_world(f"{url}&listen=off") for _ in range(4)]
        for world in worlds:
            await world.open()
        with pytest.raises(WorldError, match="add prepare=off to the URL"):
            await _look_often(worlds)
        for world in worlds:
            await world.close()


async def test_connections_are_cut_under_load(fresh: Server) -> None:
    """The server ends all of them, again and again."""

    async def cut(load: Load) -> None:
        for n in range(1, 9):
            await load.until_share(n / 10)
            await asyncio.to_thread(fresh.execute, _CUT)

    await Load(fresh.url, _RUNS).carry_out(cut)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "as a crash"])
async def test_the_server_is_restarted_under_load(fresh: Server, how: signal.Signals, rounds: int) -> None:
    """Work goes on when it is back; what was answered is there, what was not is done once."""

    def restart() -> None:
        fresh.stop(how)
        fresh.start()

    async def disturb(load: Load) -> None:
        times = rounds // 2
        for n in range(1, times + 1):
            await load.until_share(n / (times + 1))
            await asyncio.to_thread(restart)

    await Load(fresh.url, _RUNS * max(1, rounds // 4)).carry_out(disturb)


async def test_a_standby_takes_over_under_load(fresh: Server, rounds: int) -> None:
    """The primary dies and is not seen again; with synchronous commit its standby has all that was answered."""
    for number in range(max(1, rounds // 4)):
        standby = Server(Path(fresh.place[0]), 2 + number)
        await asyncio.to_thread(_replicate, fresh, standby)

        async def disturb(load: Load, standby: Server = standby) -> None:
            await load.until_share(0.4)
            await asyncio.to_thread(_fail_over, fresh, standby)

        (host, first), (_, second) = fresh.place, standby.place
        both = f"host={host},{host}&port={first},{second}&target_session_attrs=read-write"
        try:
            await Load(f"postgres://postgres@/postgres?{both}", _RUNS).carry_out(disturb)
        finally:
            standby.stop(signal.SIGQUIT)
            fresh.stop(signal.SIGQUIT)
            fresh.start()
        empty(fresh.url)


async def test_a_crash_of_the_server_takes_nobody_for_dead(fresh: Server) -> None:
    """Claims that were made before it stay good."""
    world = open_world(fresh.url)
    await world.open()
    await world.create_run(new_run())
    [task] = await take(world)
    await asyncio.to_thread(fresh.stop, signal.SIGQUIT)
    await asyncio.to_thread(fresh.start)
    await world.register(worker_row("wrkr_other"))
    assert not any(row.expired for row in (await world.heartbeat("wrkr_other")).others)
    assert (await world.claim(request("wrkr_other"))).tasks == []
    assert (await world.get_run(RUN)).epoch == task.epoch
    await world.close()


def _replicate(primary: Server, standby: Server) -> None:
    """Give a server a standby without which it confirms nothing."""
    primary.stop()
    primary.start(synchronous_standby_names="*")
    standby.copy(primary)
    standby.start()
    synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
    wait_until(lambda: bool(primary.execute(synchronous)), "the standby is synchronous")


def _fail_over(primary: Server, standby: Server) -> None:
    primary.stop(signal.SIGQUIT)
    standby.promote()


async def _look_often(worlds: list[World]) -> None:
    for _ in range(20):
        await asyncio.gather(*(world.statuses([RUN]) for world in worlds for _ in range(5)))


async def _nothing(_load: Load) -> None:
    """Let nothing happen."""
