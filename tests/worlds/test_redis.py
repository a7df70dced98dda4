"""
The Redis world passes the suite: here those groups that are about what its server does, by ``make redis`` all.
"""

from __future__ import annotations

import pytest

from tests.redis_server import empty_redis, shared_server
from torpor.clock import Clock
from torpor.testing import worlds
from torpor.world import World
from torpor.worlds import open_world


@pytest.fixture
def make_world() -> worlds.MakeWorld:
    """Make worlds on one server, on which there is nothing."""
    url = empty_redis()

    def make(clock: Clock | None = None) -> World:
        return open_world(url, clock)

    return make


@pytest.fixture
def lose_worker() -> worlds.LoseWorker:
    """Delete a worker's row."""

    async def lose(_: World, worker_id: str) -> None:
        shared_server().execute("HDEL", "{torpor}:workers", worker_id)

    return lose


@pytest.mark.long
class TestArchive(worlds.ArchiveSuite):
    """See :class:`torpor.testing.worlds.ArchiveSuite`."""


class TestBlobs(worlds.BlobsSuite):
    """See :class:`torpor.testing.worlds.BlobsSuite`."""


@pytest.mark.long
class TestCancelling(worlds.CancellingSuite):
    """See :class:`torpor.testing.worlds.CancellingSuite`."""


class TestCommit(worlds.CommitSuite):
    """See :class:`torpor.testing.worlds.CommitSuite`."""


class TestCrowds(worlds.CrowdsSuite):
    """See :class:`torpor.testing.worlds.CrowdsSuite`."""


@pytest.mark.long
class TestCursor(worlds.CursorSuite):
    """See :class:`torpor.testing.worlds.CursorSuite`."""


class TestDeletion(worlds.DeletionSuite):
    """See :class:`torpor.testing.worlds.DeletionSuite`."""


@pytest.mark.long
class TestDeployments(worlds.DeploymentsSuite):
    """See :class:`torpor.testing.worlds.DeploymentsSuite`."""


@pytest.mark.long
class TestDue(worlds.DueSuite):
    """See :class:`torpor.testing.worlds.DueSuite`."""


@pytest.mark.long
class TestFamilies(worlds.FamiliesSuite):
    """See :class:`torpor.testing.worlds.FamiliesSuite`."""


@pytest.mark.long
class TestForeign(worlds.ForeignSuite):
    """See :class:`torpor.testing.worlds.ForeignSuite`."""


class TestHeld(worlds.HeldSuite):
    """See :class:`torpor.testing.worlds.HeldSuite`."""


class TestHooks(worlds.HooksSuite):
    """See :class:`torpor.testing.worlds.HooksSuite`."""


@pytest.mark.long
class TestMailbox(worlds.MailboxSuite):
    """See :class:`torpor.testing.worlds.MailboxSuite`."""


@pytest.mark.long
class TestKeys(worlds.KeysSuite):
    """See :class:`torpor.testing.worlds.KeysSuite`."""


class TestLife(worlds.LifeSuite):
    """See :class:`torpor.testing.worlds.LifeSuite`."""


@pytest.mark.long
class TestLoad(worlds.LoadSuite):
    """See :class:`torpor.testing.worlds.LoadSuite`."""


@pytest.mark.long
class TestLog(worlds.LogSuite):
    """See :class:`torpor.testing.worlds.LogSuite`."""


class TestNotices(worlds.NoticesSuite):
    """See :class:`torpor.testing.worlds.NoticesSuite`."""


@pytest.mark.long
class TestOnce(worlds.OnceSuite):
    """See :class:`torpor.testing.worlds.OnceSuite`."""


class TestOpening(worlds.OpeningSuite):
    """See :class:`torpor.testing.worlds.OpeningSuite`."""


@pytest.mark.long
class TestParcels(worlds.ParcelsSuite):
    """See :class:`torpor.testing.worlds.ParcelsSuite`."""


@pytest.mark.long
class TestPark(worlds.ParkSuite):
    """See :class:`torpor.testing.worlds.ParkSuite`."""


@pytest.mark.long
class TestPausing(worlds.PausingSuite):
    """See :class:`torpor.testing.worlds.PausingSuite`."""


@pytest.mark.long
class TestPopulation(worlds.PopulationSuite):
    """See :class:`torpor.testing.worlds.PopulationSuite`."""


@pytest.mark.long
class TestQueries(worlds.QueriesSuite):
    """See :class:`torpor.testing.worlds.QueriesSuite`."""


class TestQueue(worlds.QueueSuite):
    """See :class:`torpor.testing.worlds.QueueSuite`."""


@pytest.mark.long
class TestForking(worlds.ForkingSuite):
    """See :class:`torpor.testing.worlds.ForkingSuite`."""


@pytest.mark.long
class TestRetrying(worlds.RetryingSuite):
    """See :class:`torpor.testing.worlds.RetryingSuite`."""


@pytest.mark.long
class TestRoutes(worlds.RoutesSuite):
    """See :class:`torpor.testing.worlds.RoutesSuite`."""


@pytest.mark.long
class TestRuns(worlds.RunsSuite):
    """See :class:`torpor.testing.worlds.RunsSuite`."""


class TestQueues(worlds.QueuesSuite):
    """See :class:`torpor.testing.worlds.QueuesSuite`."""


@pytest.mark.long
class TestSchedules(worlds.SchedulesSuite):
    """See :class:`torpor.testing.worlds.SchedulesSuite`."""


@pytest.mark.long
class TestSnooze(worlds.SnoozeSuite):
    """See :class:`torpor.testing.worlds.SnoozeSuite`."""


@pytest.mark.long
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


class TestPresence(worlds.PresenceSuite):
    """See :class:`torpor.testing.worlds.PresenceSuite`."""


class TestProgress(worlds.ProgressSuite):
    """See :class:`torpor.testing.worlds.ProgressSuite`."""


@pytest.mark.long
class TestGivingUp(worlds.GivingUpSuite):
    """See :class:`torpor.testing.worlds.GivingUpSuite`."""


def test_every_group_of_the_suite_is_here() -> None:
    """A new one is not forgotten."""
    groups = {name for name in worlds.__all__ if name.endswith("Suite")} - {"Suite"}
    groups -= {"TransactionsSuite"}  # tests/worlds/test_transactions.py has it
    kinds = [each for each in globals().values() if isinstance(each, type)]
    assert groups == {base.__name__ for kind in kinds for base in kind.__bases__ if base.__name__.endswith("Suite")}
