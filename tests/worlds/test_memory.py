"""The memory world passes the suite, and is shared by name."""

from __future__ import annotations

import itertools

import pytest

from torpor.testing import worlds
from torpor.testing.worlds.story import GUESTS, RUN, new_run
from torpor.worlds import open_world

_names = itertools.count()


@pytest.fixture
def make_world() -> worlds.MakeWorld:
    """Make worlds that share a store of their own."""
    url = f"memory://test-{next(_names)}"
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


async def test_a_world_without_a_name_is_its_own() -> None:
    """Two of them share nothing."""
    one, other = open_world("memory://"), open_world("memory://")
    await one.create_run(new_run())
    assert (await one.get_run(RUN)).id == RUN
    assert await other.claim("w", 2**60, turns=1, steps=1, guests=GUESTS) == []
