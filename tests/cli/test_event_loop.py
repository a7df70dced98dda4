"""Workers run on the event loop that is quickest here."""

from __future__ import annotations

import asyncio
import sys

import pytest

from torpor.cli import event_loop


async def kind() -> str:
    """Return which library the running loop is of."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_workers_run_on_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it they run on Python's own."""
    assert event_loop.run(kind()) == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert event_loop.run(kind()) == "asyncio"
