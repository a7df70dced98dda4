"""Agents of Pydantic AI in a step: what was told before a crash is not asked for again."""

from __future__ import annotations

import pytest

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from torpor.agents.journal import STREAM
from torpor.errors import UsageError
from torpor.integrations.pydantic_ai import Recorded
from torpor.testing import Testbed
from torpor.testing.model_server import Said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_attempt_goes_on_where_the_one_before_failed(bed: Testbed, model: Model) -> None:
    """The loop runs from the beginning; answers and results of tools that were there are there at once."""
    flows.weighed.clear()
    flows.attempts.clear()
    model.says(
        "weigh both",
        Said(calls=[("weigh", {"what": "sun"}), ("weigh", {"what": "moon"})]),
        Said(calls=[("weigh", {"what": "sun"})]),
        Said("Heavy."),
    )
    run = await bed.start(flows.weighing, "weigh both")
    assert await run.result() == "Heavy."
    assert len(model.asked("weigh both")) == 3
    assert sorted(flows.weighed) == ["moon", "sun", "sun"]
    assert flows.attempts == [1, 2, 3]
    kept = [chunk async for chunk in run.stream(STREAM).chunks()]
    assert len(kept) == 6
    assert len({chunk.value["key"] for chunk in kept}) == 6


async def test_it_takes_a_step() -> None:
    """Outside of one nothing could be kept."""
    with pytest.raises(UsageError, match="outside a step"):
        Recorded()
