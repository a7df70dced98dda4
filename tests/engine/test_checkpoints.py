"""What becomes of a run's VM is told at debug level, and to nobody else."""

from __future__ import annotations

import logging
import re

import pytest

from tests.engine.support import TIMEOUT, until
from tests.integrations.traced import app as application
from torpor.engine.checkpoints import LOGGER


async def lives(level: int, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what is told of a run that sleeps, is forgotten, and is woken by another worker."""
    caplog.set_level(level, LOGGER)
    app = application.on("memory://")
    async with app:
        async with app.worker():
            run = await app.start("journey", run_id="told")

            async def asleep() -> bool:
                return any(each.kind == "timer" for each in (await run.info()).waits_for)

            await until(app, asleep)
        async with app.worker():
            await run.wake_up()
            await run.result(timeout=TIMEOUT)
    return [each.getMessage() for each in caplog.records if each.name == LOGGER and "run told" in each.getMessage()]


async def test_the_life_of_a_snapshot_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """It is taken when the run parks, and restored elsewhere, with its sizes."""
    told = await lives(logging.DEBUG, caplog)
    whats = [re.fullmatch(r"run told: (\w+) \(.*\)", each)[1] for each in told]  # type: ignore[index]  # all are such
    assert whats[0] == "begun"
    assert whats.index("taken") < whats.index("restored")
    assert "released" in whats  # the last time perhaps later, behind the end
    [taken] = re.findall(
        r"bytes (\d+)", next(each for each in reversed(told[: whats.index("restored")]) if "taken" in each)
    )
    [restored] = re.findall(r"bytes (\d+)", told[whats.index("restored")])
    assert taken == restored != "0"


async def test_nothing_is_told_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    """The usual level is for people who run workers."""
    assert await lives(logging.INFO, caplog) == []
