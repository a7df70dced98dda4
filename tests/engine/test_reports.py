"""What becomes of step tasks comes to the world, if that can take it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.engine.support import TIMEOUT
from torpor.engine.holding import Holding
from torpor.engine.observer import Observation, Remark
from torpor.engine.reports import Reports
from torpor.errors import ConflictError, DamagedError, NotFoundError, TorporError
from torpor.model import Event, Task
from torpor.testing.clock import ManualClock


class Refusing:
    """A world that takes no outcome."""

    def __init__(self, error: TorporError) -> None:
        self._error = error

    async def finish_step(self, _: object) -> None:
        """Refuse it."""
        raise self._error


@pytest.mark.parametrize(
    "error",
    [DamagedError("row 1 of table runs", "nonsense"), ConflictError("the run has ended"), NotFoundError("gone")],
)
async def test_an_outcome_that_cannot_be_stored_is_let_go(error: TorporError) -> None:
    """It is told, and held no more: nothing that this worker does would change it."""
    told: list[Observation] = []
    holding = Holding()
    world: Any = Refusing(error)
    reports = Reports(world, ManualClock(), holding, told.append)
    reports.report(
        "wrkr_1", Task("step", "wrun_1", 1, step_id="step_1"), Event("step_completed", 0, "step_1", payload=b"x")
    )
    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*reports.pending)
        await asyncio.sleep(0)

    assert not reports.pending
    assert holding.bytes == 0
    remark = told[-1]
    assert isinstance(remark, Remark)
    assert str(error) in remark.text
