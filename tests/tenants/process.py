"""Processes that share a world's tenants: workers that a test kills, and one that reads what another has stored."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from tests.tenants.application import app as application
from torpor import QuotaExceededError, WorkerSettings
from torpor.engine.settings import TurnOptions
from torpor.model.flow import Limits
from torpor.model.tenants import TenantInfo
from torpor.tenants import Language
from torpor.testing.crash import CrashAt

LANGUAGE: Language = "javascript"
SETTINGS = WorkerSettings(
    turns=2,
    lease_ms=600,
    heartbeat_ms=100,
    turn=TurnOptions(inline_ms=60_000, hurried_ms=60_000, hot_ms=60_000),  # a run whose step runs stays awake
)


def work(url: str, ledger: str, point: str, nth: int) -> None:
    """
    Work until somebody ends the process, or the crash point is reached for the *nth* time.

    Args:
        url: of the world.
        ledger: folder that steps write to.
        point, nth: see :class:`torpor.testing.crash.CrashAt`.
    """
    os.environ["TENANTS_LEDGER"] = ledger
    asyncio.run(_work(url, CrashAt(point, nth)))


async def _work(url: str, crash: CrashAt) -> None:
    async with application.on(url, settings=SETTINGS) as app, app.worker(observers=[crash]):
        await asyncio.Event().wait()


def tell(url: str, name: str, source: str, answer: str) -> None:
    """Write what is known of a tenant into a file, and how a start of this program is refused."""
    Path(answer).write_bytes(msgspec.json.encode(asyncio.run(_told(url, name, source))))


async def _told(url: str, name: str, source: str) -> tuple[str, TenantInfo, dict[str, Limits]]:
    async with application.on(url) as app:
        tenant = app.tenant(name)
        try:
            refused = (await tenant.start(source, [1], language=LANGUAGE)).id
        except QuotaExceededError as error:
            refused = str(error)
        queues = {info.name: info.limits for info in await app.queues.list()}
        return refused, await tenant.info(), queues
