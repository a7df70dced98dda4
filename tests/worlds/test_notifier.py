"""How listeners are told: on their own loop, and only while they listen."""

from __future__ import annotations

import asyncio

from torpor.model import Notice
from torpor.worlds.notifier import Notifier


async def test_a_notice_under_way_does_not_reach_who_has_unsubscribed() -> None:
    """The call was queued already when the listener left."""
    notifier = Notifier()
    heard: list[Notice] = []
    leave = notifier.subscribe(heard.append)
    notifier.notify(Notice("wrun_1", work=True))
    leave()
    await asyncio.sleep(0)
    assert heard == []
    assert not notifier


async def test_a_notice_that_says_nothing_is_not_told() -> None:
    """Most commits of a run that is awake concern nobody else."""
    notifier = Notifier()
    heard: list[Notice] = []
    notifier.subscribe(heard.append)
    notifier.notify(Notice("wrun_1"))
    notifier.notify(Notice("wrun_1", work=True))
    await asyncio.sleep(0)
    assert heard == [Notice("wrun_1", work=True)]


async def test_a_listener_is_called_on_its_own_loop() -> None:
    """Whichever thread rings."""
    notifier = Notifier()
    loops: list[asyncio.AbstractEventLoop] = []
    told = asyncio.Event()

    def listen(_: Notice) -> None:
        loops.append(asyncio.get_running_loop())
        told.set()

    notifier.subscribe(listen)
    await asyncio.to_thread(notifier.notify, Notice(work=True))
    await asyncio.wait_for(told.wait(), 10)
    assert loops == [asyncio.get_running_loop()]


def test_a_listener_whose_loop_is_closed_is_forgotten() -> None:
    """Ringing goes on for the others."""
    notifier = Notifier()

    async def subscribe() -> None:
        notifier.subscribe(lambda _: None)

    asyncio.run(subscribe())
    assert notifier
    notifier.notify(Notice(ended=True))
    assert not notifier
