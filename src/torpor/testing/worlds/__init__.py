"""
The conformance suite of worlds, for their authors.

Subclass the groups in a test module and say how to make a world; pytest and pytest-asyncio do the rest::

    import pytest
    from torpor.testing import worlds

    @pytest.fixture
    def make_world(tmp_path):
        return lambda clock=None: MyWorld(f"my://{tmp_path}/store", clock)

    @pytest.fixture
    def lose_worker():
        async def lose(world, worker_id):  # delete the worker's row, as a careless hand would
            ...
        return lose

    class TestRuns(worlds.RunsSuite): ...
    class TestLog(worlds.LogSuite): ...
    # … one for each name in worlds.__all__ that ends in Suite

A world that passes all groups behaves as :mod:`torpor.world` says. :func:`run_history` tells it a long random story,
whose outcome is compared with another world's.
"""

import pytest

for _group in (
    "archive", "blobs", "cancelling", "crowds", "deletion", "deployments", "due", "forking", "giving_up", "hooks",
    "keys", "life", "log", "mailbox", "notices", "once", "parcels", "parking", "pausing", "population", "progress",
    "queries", "queue", "queues", "retrying", "routes", "runs", "schedules", "snapshots", "starting", "steps",
    "streams", "tenants", "times", "transactions", "turns", "watching",
):  # fmt: skip
    pytest.register_assert_rewrite(f"{__name__}.{_group}")  # must come before their import

from torpor.testing.worlds.archive import ArchiveSuite  # noqa: E402  # see above
from torpor.testing.worlds.blobs import BlobsSuite  # noqa: E402
from torpor.testing.worlds.cancelling import CancellingSuite, FamiliesSuite  # noqa: E402
from torpor.testing.worlds.crowds import CrowdsSuite  # noqa: E402
from torpor.testing.worlds.deletion import DeletionSuite  # noqa: E402
from torpor.testing.worlds.deployments import DeploymentsSuite  # noqa: E402
from torpor.testing.worlds.due import DueSuite  # noqa: E402
from torpor.testing.worlds.forking import ForkingSuite  # noqa: E402
from torpor.testing.worlds.giving_up import GivingUpSuite  # noqa: E402
from torpor.testing.worlds.histories import run_history  # noqa: E402
from torpor.testing.worlds.hooks import HooksSuite  # noqa: E402
from torpor.testing.worlds.keys import KeysSuite  # noqa: E402
from torpor.testing.worlds.life import LifeSuite, LoseWorker  # noqa: E402
from torpor.testing.worlds.log import LogSuite  # noqa: E402
from torpor.testing.worlds.mailbox import MailboxSuite  # noqa: E402
from torpor.testing.worlds.notices import NoticesSuite, OpeningSuite  # noqa: E402
from torpor.testing.worlds.once import OnceSuite  # noqa: E402
from torpor.testing.worlds.parcels import ParcelsSuite  # noqa: E402
from torpor.testing.worlds.parking import ParkSuite, SnoozeSuite  # noqa: E402
from torpor.testing.worlds.pausing import PausingSuite  # noqa: E402
from torpor.testing.worlds.population import PopulationSuite  # noqa: E402
from torpor.testing.worlds.presence import PresenceSuite  # noqa: E402
from torpor.testing.worlds.progress import ProgressSuite  # noqa: E402
from torpor.testing.worlds.queries import QueriesSuite  # noqa: E402
from torpor.testing.worlds.queue import QueueSuite  # noqa: E402
from torpor.testing.worlds.queues import QueuesSuite  # noqa: E402
from torpor.testing.worlds.retrying import RetryingSuite  # noqa: E402
from torpor.testing.worlds.routes import RoutesSuite  # noqa: E402
from torpor.testing.worlds.runs import RunsSuite  # noqa: E402
from torpor.testing.worlds.schedules import SchedulesSuite  # noqa: E402
from torpor.testing.worlds.snapshots import CursorSuite  # noqa: E402
from torpor.testing.worlds.starting import StartingSuite  # noqa: E402
from torpor.testing.worlds.steps import StepsSuite  # noqa: E402
from torpor.testing.worlds.streams import StreamsSuite  # noqa: E402
from torpor.testing.worlds.suite import MakeWorld, Suite  # noqa: E402
from torpor.testing.worlds.tenants import TenantsSuite  # noqa: E402
from torpor.testing.worlds.times import TimesSuite  # noqa: E402
from torpor.testing.worlds.transactions import BeginTransaction, TransactionsSuite  # noqa: E402
from torpor.testing.worlds.turns import CommitSuite, ForeignSuite, HeldSuite, LoadSuite  # noqa: E402
from torpor.testing.worlds.watching import WatchingSuite  # noqa: E402

__all__ = [
    "ArchiveSuite",
    "BeginTransaction",
    "BlobsSuite",
    "CancellingSuite",
    "CommitSuite",
    "CrowdsSuite",
    "CursorSuite",
    "DeletionSuite",
    "DeploymentsSuite",
    "DueSuite",
    "FamiliesSuite",
    "ForeignSuite",
    "ForkingSuite",
    "GivingUpSuite",
    "HeldSuite",
    "HooksSuite",
    "KeysSuite",
    "LifeSuite",
    "LoadSuite",
    "LogSuite",
    "LoseWorker",
    "MailboxSuite",
    "MakeWorld",
    "NoticesSuite",
    "OnceSuite",
    "OpeningSuite",
    "ParcelsSuite",
    "ParkSuite",
    "PausingSuite",
    "PopulationSuite",
    "PresenceSuite",
    "ProgressSuite",
    "QueriesSuite",
    "QueueSuite",
    "QueuesSuite",
    "RetryingSuite",
    "RoutesSuite",
    "RunsSuite",
    "SchedulesSuite",
    "SnoozeSuite",
    "StartingSuite",
    "StepsSuite",
    "StreamsSuite",
    "Suite",
    "TenantsSuite",
    "TimesSuite",
    "TransactionsSuite",
    "WatchingSuite",
    "run_history",
]
