"""Applications that were closed, or are not yet open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT
from torpor import SyncTorpor, Torpor, UsageError

Use = Callable[[Torpor], Awaitable[object]]


async def _working(app: Torpor) -> None:
    async with app.worker():
        pass


USES: dict[str, Use] = {
    "start": lambda app: app.start("addTen", 1),
    "resume": lambda app: app.resume_hook("token"),
    "cancel": lambda app: app.cancel(["wrun_1"]),
    "list": lambda app: app.list_runs(),
    "worker": _working,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_after_closing_nothing_opens_the_world_again(url: str, use: Use) -> None:
    """Connections that nobody would close are not made; the error says what to do."""
    app = application.on(url)
    async with app:
        pass
    with pytest.raises(UsageError, match=r"is closed: its `async with` block is over.* or open it again with open\(\)"):
        await use(app)


async def test_before_opening_what_needs_the_world_opens_it(url: str) -> None:
    """So that a script may begin with it."""
    app = application.on(url)
    try:
        run = await app.start("addTen", 1)
        assert [each.id for each in await app.list_runs()] == [run.id]
    finally:
        await app.close()


async def test_a_closed_application_may_be_opened_again(database: str) -> None:
    """On purpose; what it had is there."""
    app = application.on(database)
    async with app:
        run = await app.start("addTen", 1)
    async with app, app.worker():
        assert await app.run(run.id).result(timeout=TIMEOUT) == 11


async def test_closing_one_world_does_not_close_the_next(database: str) -> None:
    """An application that moves to another world is not closed there."""
    app = application.on("memory://")
    async with app:
        pass
    moved = app.on(database)
    try:
        assert await moved.list_runs() == []
    finally:
        await moved.close()


def test_a_blocking_application_works_inside_its_block_only() -> None:
    """Before it there is no loop to wait for, and behind it none any more."""
    front = SyncTorpor(application.on("memory://"))
    with pytest.raises(UsageError, match="inside its `with` block only"):
        front.start("addTen", 1)
    with front:
        run = front.start("addTen", 1)
    with pytest.raises(UsageError, match="inside its `with` block only"):
        run.status()
