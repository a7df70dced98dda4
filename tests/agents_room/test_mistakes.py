"""What is wrong with an agent is told where it is made or run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents_room import flows
from torpor.agents import Agent, Budget, tool
from torpor.errors import ConfigurationError, OutsideWorkflowError


async def test_outside_of_a_workflow() -> None:
    """There is no run there that could keep anything."""
    with pytest.raises(OutsideWorkflowError, match="an agent runs in a workflow"):
        await flows.talker.run("hello")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": object()}, "takes a name such as 'openai:gpt-5', not a object"),
        ({"tools": ["search"]}, "give a step, a function, a workflow"),
        ({"output": type(lambda: None)}, "has no form in JSON"),
        ({"timeout": "soon"}, "timeout of a step"),
    ],
)
def test_making_one(options: dict[str, Any], told: str) -> None:
    """The message says what to give instead."""
    with pytest.raises(ConfigurationError, match=told):
        Agent(**{"model": "openai:gpt-5", **options})


def test_budgets_are_numbers() -> None:
    """Nothing at all would be a mistake."""
    with pytest.raises(ConfigurationError, match="Budget\\(tokens=0\\)"):
        Budget(tokens=0)


async def test_two_tools_of_one_name() -> None:
    """A model could not tell them apart."""

    def search() -> None:
        """Search too."""

    first = tool(search)
    twice = Agent("openai:gpt-5", tools=[first, tool(flows.nap, name="search")])
    with pytest.raises(ConfigurationError, match="two tools have one name"):
        await twice.offered()
