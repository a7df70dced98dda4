"""The memory world passes the suite, and is shared by name."""

from __future__ import annotations

import itertools

import pytest

from torpor.clock import Clock
from torpor.model import Claims
from torpor.testing import worlds
from torpor.testing.worlds.story import RUN, ask, new_run
from torpor.world import World
from torpor.worlds import open_world
from torpor.worlds.memory import MemoryWorld

_names = itertools.count()


@pytest.fixture
def make_world() -> worlds.MakeWorld:
    """Make worlds that share a store of their own."""
    url = f"memory://test-{next(_names)}"

    def make(clock: Clock | None = None) -> World:
        return open_world(url, clock)

    return make


@pytest.fixture
def lose_worker() -> worlds.LoseWorker:
    """Take a worker's row away."""

    async def lose(world: World, worker_id: str) -> None:
        assert isinstance(world, MemoryWorld)
        del world._store.workers[worker_id]

    return lose


class TestArchive(worlds.ArchiveSuite):
    """See :class:`torpor.testing.worlds.ArchiveSuite`."""


class TestBlobs(worlds.BlobsSuite):
    """See :class:`torpor.testing.worlds.BlobsSuite`."""


class TestCancelling(worlds.CancellingSuite):
    """See :class:`torpor.testing.worlds.CancellingSuite`."""


class TestCommit(worlds.CommitSuite):
    """See :class:`torpor.testing.worlds.CommitSuite`."""


class TestCrowds(worlds.CrowdsSuite):
    """See :class:`torpor.testing.worlds.CrowdsSuite`."""


class TestCursor(worlds.CursorSuite):
    """See :class:`torpor.testing.worlds.CursorSuite`."""


class TestDeletion(worlds.DeletionSuite):
    """See :class:`torpor.testing.worlds.DeletionSuite`."""


class TestDeployments(worlds.DeploymentsSuite):
    """See :class:`torpor.testing.worlds.DeploymentsSuite`."""


class TestDue(worlds.DueSuite):
    """See :class:`torpor.testing.worlds.DueSuite`."""


class TestFamilies(worlds.FamiliesSuite):
    """See :class:`torpor.testing.worlds.FamiliesSuite`."""


class TestForeign(worlds.ForeignSuite):
    """See :class:`torpor.testing.worlds.ForeignSuite`."""


class TestGivingUp(worlds.GivingUpSuite):
    """See :class:`torpor.testing.worlds.GivingUpSuite`."""


class TestHeld(worlds.HeldSuite):
    """See :class:`torpor.testing.worlds.HeldSuite`."""


class TestHooks(worlds.HooksSuite):
    """See :class:`torpor.testing.worlds.HooksSuite`."""


class TestMailbox(worlds.MailboxSuite):
    """See :class:`torpor.testing.worlds.MailboxSuite`."""


class TestKeys(worlds.KeysSuite):
    """See :class:`torpor.testing.worlds.KeysSuite`."""


class TestLife(worlds.LifeSuite):
    """See :class:`torpor.testing.worlds.LifeSuite`."""


class TestLoad(worlds.LoadSuite):
    """See :class:`torpor.testing.worlds.LoadSuite`."""


class TestLog(worlds.LogSuite):
    """See :class:`torpor.testing.worlds.LogSuite`."""


class TestNotices(worlds.NoticesSuite):
    """See :class:`torpor.testing.worlds.NoticesSuite`."""


class TestOnce(worlds.OnceSuite):
    """See :class:`torpor.testing.worlds.OnceSuite`."""


class TestOpening(worlds.OpeningSuite):
    """See :class:`torpor.testing.worlds.OpeningSuite`."""


class TestParcels(worlds.ParcelsSuite):
    """See :class:`torpor.testing.worlds.ParcelsSuite`."""


class TestPark(worlds.ParkSuite):
    """See :class:`torpor.testing.worlds.ParkSuite`."""


class TestPausing(worlds.PausingSuite):
    """See :class:`torpor.testing.worlds.PausingSuite`."""


class TestPopulation(worlds.PopulationSuite):
    """See :class:`torpor.testing.worlds.PopulationSuite`."""


class TestPresence(worlds.PresenceSuite):
    """See :class:`torpor.testing.worlds.PresenceSuite`."""


class TestProgress(worlds.ProgressSuite):
    """See :class:`torpor.testing.worlds.ProgressSuite`."""


class TestQueries(worlds.QueriesSuite):
    """See :class:`torpor.testing.worlds.QueriesSuite`."""


class TestQueue(worlds.QueueSuite):
    """See :class:`torpor.testing.worlds.QueueSuite`."""


class TestForking(worlds.ForkingSuite):
    """See :class:`torpor.testing.worlds.ForkingSuite`."""


class TestRetrying(worlds.RetryingSuite):
    """See :class:`torpor.testing.worlds.RetryingSuite`."""


class TestRoutes(worlds.RoutesSuite):
    """See :class:`torpor.testing.worlds.RoutesSuite`."""


class TestRuns(worlds.RunsSuite):
    """See :class:`torpor.testing.worlds.RunsSuite`."""


class TestQueues(worlds.QueuesSuite):
    """See :class:`torpor.testing.worlds.QueuesSuite`."""


class TestSchedules(worlds.SchedulesSuite):
    """See :class:`torpor.testing.worlds.SchedulesSuite`."""


class TestSnooze(worlds.SnoozeSuite):
    """See :class:`torpor.testing.worlds.SnoozeSuite`."""


class TestStarting(worlds.StartingSuite):
    """See :class:`torpor.testing.worlds.StartingSuite`."""


class TestSteps(worlds.StepsSuite):
    """See :class:`torpor.testing.worlds.StepsSuite`."""


class TestStreams(worlds.StreamsSuite):
    """See :class:`torpor.testing.worlds.StreamsSuite`."""


class TestTenants(worlds.TenantsSuite):
    """See :class:`torpor.testing.worlds.TenantsSuite`."""


class TestTimes(worlds.TimesSuite):
    """See :class:`torpor.testing.worlds.TimesSuite`."""


class TestWatching(worlds.WatchingSuite):
    """See :class:`torpor.testing.worlds.WatchingSuite`."""


async def test_a_world_without_a_name_is_its_own() -> None:
    """Two of them share nothing."""
    one, other = open_world("memory://"), open_world("memory://")
    await one.create_run(new_run())
    assert (await one.get_run(RUN)).id == RUN
    assert await ask(other) == Claims()
