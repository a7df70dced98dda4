"""The SQLite world passes the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from torpor.testing import worlds
from torpor.worlds import open_world


@pytest.fixture
def make_world(tmp_path: Path) -> worlds.MakeWorld:
    """Make worlds that share a file of their own."""
    url = f"sqlite:///{tmp_path}/torpor.db?synchronous=normal"
    return lambda: open_world(url)


class TestRuns(worlds.RunsSuite):
    """See :class:`torpor.testing.worlds.RunsSuite`."""


class TestEvents(worlds.EventsSuite):
    """See :class:`torpor.testing.worlds.EventsSuite`."""


class TestLoad(worlds.LoadSuite):
    """See :class:`torpor.testing.worlds.LoadSuite`."""


class TestCommit(worlds.CommitSuite):
    """See :class:`torpor.testing.worlds.CommitSuite`."""


class TestForeign(worlds.ForeignSuite):
    """See :class:`torpor.testing.worlds.ForeignSuite`."""


class TestCursor(worlds.CursorSuite):
    """See :class:`torpor.testing.worlds.CursorSuite`."""


class TestPark(worlds.ParkSuite):
    """See :class:`torpor.testing.worlds.ParkSuite`."""


class TestSteps(worlds.StepsSuite):
    """See :class:`torpor.testing.worlds.StepsSuite`."""


class TestQueue(worlds.QueueSuite):
    """See :class:`torpor.testing.worlds.QueueSuite`."""


class TestHooks(worlds.HooksSuite):
    """See :class:`torpor.testing.worlds.HooksSuite`."""


class TestKeys(worlds.KeysSuite):
    """See :class:`torpor.testing.worlds.KeysSuite`."""


class TestWatching(worlds.WatchingSuite):
    """See :class:`torpor.testing.worlds.WatchingSuite`."""


class TestBlobs(worlds.BlobsSuite):
    """See :class:`torpor.testing.worlds.BlobsSuite`."""


class TestNotices(worlds.NoticesSuite):
    """See :class:`torpor.testing.worlds.NoticesSuite`."""


class TestOpening(worlds.OpeningSuite):
    """See :class:`torpor.testing.worlds.OpeningSuite`."""
