"""
The conformance suite of worlds, for their authors.

Subclass the groups in a test module and say how to make a world; pytest and pytest-asyncio do the rest::

    import pytest
    from torpor.testing import worlds

    @pytest.fixture
    def make_world(tmp_path):
        return lambda: MyWorld(f"my://{tmp_path}/store")

    class TestRuns(worlds.RunsSuite): ...
    class TestEvents(worlds.EventsSuite): ...
    # … one for each name in worlds.__all__ that ends in Suite

A world that passes all groups behaves as :mod:`torpor.world` says. :func:`run_history` tells it a long random story,
whose outcome is compared with another world's.
"""

import pytest

for _group in ("runs", "events", "turns", "steps", "queue", "hooks", "keys", "watching", "blobs", "notices"):
    pytest.register_assert_rewrite(f"{__name__}.{_group}")  # must come before their import

from torpor.testing.worlds.blobs import BlobsSuite  # noqa: E402  # see above
from torpor.testing.worlds.events import EventsSuite  # noqa: E402
from torpor.testing.worlds.histories import run_history  # noqa: E402
from torpor.testing.worlds.hooks import HooksSuite  # noqa: E402
from torpor.testing.worlds.keys import KeysSuite  # noqa: E402
from torpor.testing.worlds.notices import NoticesSuite, OpeningSuite  # noqa: E402
from torpor.testing.worlds.queue import QueueSuite  # noqa: E402
from torpor.testing.worlds.runs import RunsSuite  # noqa: E402
from torpor.testing.worlds.steps import StepsSuite  # noqa: E402
from torpor.testing.worlds.suite import MakeWorld, Suite  # noqa: E402
from torpor.testing.worlds.turns import CommitSuite, CursorSuite, ForeignSuite, LoadSuite, ParkSuite  # noqa: E402
from torpor.testing.worlds.watching import WatchingSuite  # noqa: E402

__all__ = [
    "BlobsSuite",
    "CommitSuite",
    "CursorSuite",
    "EventsSuite",
    "ForeignSuite",
    "HooksSuite",
    "KeysSuite",
    "LoadSuite",
    "MakeWorld",
    "NoticesSuite",
    "OpeningSuite",
    "ParkSuite",
    "QueueSuite",
    "RunsSuite",
    "StepsSuite",
    "Suite",
    "WatchingSuite",
    "run_history",
]
