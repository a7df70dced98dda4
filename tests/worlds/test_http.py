"""
A world behind a URL passes the suite: a real server in a process of its own, on loopback, over SQLite.

Beneath the border it is the SQLite world, which passes the suite elsewhere; here it costs two minutes. So usually only
the groups are tried that the border has a part in; ``make remote`` tries all.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import httpx
import pytest

from tests.names import FRESH_SEED
from tests.worlds.alike import assert_alike
from tests.worlds.http_server import AS_THEY_ARE, CLOSE, LIMITS, STORE, TIME, WORLD
from torpor import limits
from torpor.clock import Clock
from torpor.testing import worlds
from torpor.world import World
from torpor.worlds.http import HttpWorld
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.store import Store

ROOT = Path(__file__).parents[2]
IS_WHOLE = os.environ.get("TORPOR_TEST_REMOTE") == "whole"
MOVES = 300 if IS_WHOLE else 150
_numbers = itertools.count()

at_length = pytest.mark.skipif(not IS_WHOLE, reason="not about the border; make remote tries it")


class Server(NamedTuple):
    """The server of this module."""

    folder: Path
    url: str
    token: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests of this module."""
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "tests.worlds.http_server", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(folder, *process.stdout.readline().split())
        finally:
            process.kill()


class ToldTime(httpx.AsyncHTTPTransport):
    """Tells the server with each request which world of the test asks, and what its clock shows."""

    def __init__(self, server: Server, store: str, clock: Clock | None) -> None:
        super().__init__(verify=False)  # certificates would be read anew for each test
        self._url = server.url
        self._headers = {STORE: store.encode(), WORLD: f"{store}-{next(_numbers)}".encode()}
        self._clock = clock

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it with that."""
        headers = {**self._headers, LIMITS: json.dumps(_changed_limits()).encode()}
        if self._clock is not None:
            headers[TIME] = f"{self._clock.now()} {self._clock.steady()}".encode()
        request.headers.update(headers)
        return await super().handle_async_request(request)

    async def aclose(self) -> None:
        """Close the world behind the server too."""
        closing = httpx.Request("POST", self._url, headers={**self._headers, CLOSE: b"1"})
        await (await super().handle_async_request(closing)).aread()
        await super().aclose()


def _changed_limits() -> dict[str, int]:
    """Return the limits that a test has changed, which its server is to have too."""
    return {name: value for name, value in vars(limits).items() if name.isupper() and value != AS_THEY_ARE[name]}


@pytest.fixture
def store() -> str:
    """Name of a file of the test's own."""
    return f"store-{next(_numbers)}"


@pytest.fixture
def make_world(server: Server, store: str) -> worlds.MakeWorld:
    """Make worlds that share a file of their own, behind the server."""

    def make(clock: Clock | None = None) -> World:
        transport = ToldTime(server, store, clock)
        return cast(World, HttpWorld(server.url, clock, server.token, transport))

    return make


@pytest.fixture
def lose_worker(server: Server, store: str) -> worlds.LoseWorker:
    """Delete a worker's row."""

    async def lose(_: World, worker_id: str) -> None:
        def delete(opened: Store) -> tuple[None, None]:
            opened.db.execute("DELETE FROM workers WHERE id = ?", (worker_id,))
            return None, None

        beside = SqliteWorld(f"sqlite:///{server.folder}/{store}.db")
        await beside.open()
        await beside._writer.submit(delete, "a test")
        await beside.close()

    return lose


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=at_length) for seed in (*range(2, 9), FRESH_SEED))])
async def test_it_answers_as_a_world_in_memory(make_world: worlds.MakeWorld, seed: int) -> None:
    """Whatever it is told; the last of the seeds is a fresh one."""
    await assert_alike(make_world, seed, MOVES)


@at_length
class TestArchive(worlds.ArchiveSuite):
    """See :class:`torpor.testing.worlds.ArchiveSuite`."""


class TestBlobs(worlds.BlobsSuite):
    """See :class:`torpor.testing.worlds.BlobsSuite`."""


@at_length
class TestCancelling(worlds.CancellingSuite):
    """See :class:`torpor.testing.worlds.CancellingSuite`."""


@at_length
class TestCommit(worlds.CommitSuite):
    """See :class:`torpor.testing.worlds.CommitSuite`."""


@at_length
class TestCrowds(worlds.CrowdsSuite):
    """See :class:`torpor.testing.worlds.CrowdsSuite`."""


class TestCursor(worlds.CursorSuite):
    """See :class:`torpor.testing.worlds.CursorSuite`."""


@at_length
class TestDeletion(worlds.DeletionSuite):
    """See :class:`torpor.testing.worlds.DeletionSuite`."""


@at_length
class TestDeployments(worlds.DeploymentsSuite):
    """See :class:`torpor.testing.worlds.DeploymentsSuite`."""


@at_length
class TestDue(worlds.DueSuite):
    """See :class:`torpor.testing.worlds.DueSuite`."""


@at_length
class TestFamilies(worlds.FamiliesSuite):
    """See :class:`torpor.testing.worlds.FamiliesSuite`."""


class TestForeign(worlds.ForeignSuite):
    """See :class:`torpor.testing.worlds.ForeignSuite`."""


@at_length
class TestGivingUp(worlds.GivingUpSuite):
    """See :class:`torpor.testing.worlds.GivingUpSuite`."""


@at_length
class TestPresence(worlds.PresenceSuite):
    """See :class:`torpor.testing.worlds.PresenceSuite`."""


class TestProgress(worlds.ProgressSuite):
    """See :class:`torpor.testing.worlds.ProgressSuite`."""


class TestHeld(worlds.HeldSuite):
    """See :class:`torpor.testing.worlds.HeldSuite`."""


@at_length
class TestHooks(worlds.HooksSuite):
    """See :class:`torpor.testing.worlds.HooksSuite`."""


@at_length
class TestMailbox(worlds.MailboxSuite):
    """See :class:`torpor.testing.worlds.MailboxSuite`."""


@at_length
class TestKeys(worlds.KeysSuite):
    """See :class:`torpor.testing.worlds.KeysSuite`."""


class TestLife(worlds.LifeSuite):
    """See :class:`torpor.testing.worlds.LifeSuite`."""


@at_length
class TestLoad(worlds.LoadSuite):
    """See :class:`torpor.testing.worlds.LoadSuite`."""


@at_length
class TestLog(worlds.LogSuite):
    """See :class:`torpor.testing.worlds.LogSuite`."""


class TestNotices(worlds.NoticesSuite):
    """See :class:`torpor.testing.worlds.NoticesSuite`."""


@at_length
class TestOnce(worlds.OnceSuite):
    """See :class:`torpor.testing.worlds.OnceSuite`."""


class TestOpening(worlds.OpeningSuite):
    """See :class:`torpor.testing.worlds.OpeningSuite`."""


@at_length
class TestParcels(worlds.ParcelsSuite):
    """See :class:`torpor.testing.worlds.ParcelsSuite`."""


class TestPark(worlds.ParkSuite):
    """See :class:`torpor.testing.worlds.ParkSuite`."""


@at_length
class TestPausing(worlds.PausingSuite):
    """See :class:`torpor.testing.worlds.PausingSuite`."""


@at_length
class TestPopulation(worlds.PopulationSuite):
    """See :class:`torpor.testing.worlds.PopulationSuite`."""

    population = 300


@at_length
class TestQueries(worlds.QueriesSuite):
    """See :class:`torpor.testing.worlds.QueriesSuite`."""


@at_length
class TestQueue(worlds.QueueSuite):
    """See :class:`torpor.testing.worlds.QueueSuite`."""


@at_length
class TestForking(worlds.ForkingSuite):
    """See :class:`torpor.testing.worlds.ForkingSuite`."""


class TestRetrying(worlds.RetryingSuite):
    """See :class:`torpor.testing.worlds.RetryingSuite`."""


@at_length
class TestRoutes(worlds.RoutesSuite):
    """See :class:`torpor.testing.worlds.RoutesSuite`."""


@at_length
class TestRuns(worlds.RunsSuite):
    """See :class:`torpor.testing.worlds.RunsSuite`."""


@at_length
class TestQueues(worlds.QueuesSuite):
    """See :class:`torpor.testing.worlds.QueuesSuite`."""


@at_length
class TestSchedules(worlds.SchedulesSuite):
    """See :class:`torpor.testing.worlds.SchedulesSuite`."""


@at_length
class TestSnooze(worlds.SnoozeSuite):
    """See :class:`torpor.testing.worlds.SnoozeSuite`."""


@at_length
class TestStarting(worlds.StartingSuite):
    """See :class:`torpor.testing.worlds.StartingSuite`."""


@at_length
class TestSteps(worlds.StepsSuite):
    """See :class:`torpor.testing.worlds.StepsSuite`."""


@at_length
class TestStreams(worlds.StreamsSuite):
    """See :class:`torpor.testing.worlds.StreamsSuite`."""


@at_length
class TestTenants(worlds.TenantsSuite):
    """See :class:`torpor.testing.worlds.TenantsSuite`."""


class TestTimes(worlds.TimesSuite):
    """See :class:`torpor.testing.worlds.TimesSuite`."""


@at_length
class TestWatching(worlds.WatchingSuite):
    """See :class:`torpor.testing.worlds.WatchingSuite`."""
