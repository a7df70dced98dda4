"""Waiting for a hook that a run has not made yet."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from torpor.errors import HookNotFoundError
from torpor.model import Hook, Notice
from torpor.world import World

_LOOK_AGAIN_SECONDS = 5.0
_PAUSE = 4
"""How many times as long as the last look the pause is before the next one, however often something is told."""


async def wait_for_hook(world: World, token: str) -> Hook:
    """Return the live hook that has a token, as soon as there is one; the caller says how long to wait."""
    time = asyncio.get_running_loop().time
    told = asyncio.Event()

    def hear(notice: Notice) -> None:
        if notice.hooked:
            told.set()

    unsubscribe = world.subscribe(hear)
    try:
        while True:
            told.clear()
            began = time()
            with suppress(HookNotFoundError):
                return await world.hook(token)
            took = time() - began
            # Notices are hints; a look from time to time makes a lost one harmless.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await told.wait()
            await asyncio.sleep(_PAUSE * took)
    finally:
        unsubscribe()
