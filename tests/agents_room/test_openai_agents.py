"""Agents of the OpenAI Agents SDK in a step: what was told before a crash is not asked for again."""

from __future__ import annotations

import agents
import pytest

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from torpor.errors import UsageError
from torpor.integrations.openai_agents import recorded
from torpor.testing import Testbed
from torpor.testing.model_server import Said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_attempt_goes_on_where_the_one_before_failed(bed: Testbed, model: Model) -> None:
    """The loop runs from the beginning, over a hand-over; answers and results that were there are there at once."""
    flows.weighed.clear()
    flows.attempts.clear()
    model.says(
        "weigh all",
        Said(calls=[("transfer_to_weigher", {})]),
        Said(calls=[("weigh", {"what": "sun"}), ("weigh", {"what": "moon"})]),
        Said(calls=[("weigh", {"what": "sun"})]),
        Said("Heavy."),
    )
    assert await (await bed.start(flows.weighing_over, "weigh all")).result() == "Heavy."
    assert flows.attempts == [1, 2, 3]
    assert len(model.asked("weigh all")) == 4
    assert sorted(flows.weighed) == ["moon", "sun", "sun"]


async def test_it_takes_a_step() -> None:
    """Outside of one nothing could be kept."""
    with pytest.raises(UsageError, match="outside a step"):
        recorded(agents.Agent(name="desk"))
