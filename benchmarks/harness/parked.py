"""Waits until runs are parked: preparation, which no figure contains."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks.harness.child import BenchmarkError
from torpor import HookNotFoundError, Torpor

_LOOK_SECONDS = 0.01
_SECONDS_MAX = 900


async def wait_parked(app: Torpor, tokens: Sequence[str]) -> None:
    """
    Return once a hook is live under every token; a run that only waits for its hook parks in the commit that makes it.

    Raises:
        BenchmarkError: it took longer than a quarter of an hour.
    """
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            for token in tokens:
                while not await _is_live(app, token):  # noqa: ASYNC110  # parking is no event that one could await
                    await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise BenchmarkError(f"after {_SECONDS_MAX} s no hook {token!r} is live; see the worker's log above") from None


async def _is_live(app: Torpor, token: str) -> bool:
    try:
        await app.world.hook(token)
    except HookNotFoundError:
        return False
    return True
