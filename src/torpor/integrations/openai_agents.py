"""
Agents of the OpenAI Agents SDK inside a step: their answers and results of tools are kept, so that an attempt does not
ask again for what an attempt before it was told.

::

    @app.step(timeout="1h")
    async def research(question: str) -> str:
        return str((await Runner.run(recorded(agent), question)).final_output)

The agent's loop runs in the worker, from the beginning in each attempt. See docs/agents.md for what that means.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, FunctionTool, Model, ModelProvider, ModelResponse, MultiProvider
from pydantic import TypeAdapter

from torpor.agents.journal import Journal
from torpor.errors import UsageError


def recorded(agent: Agent[Any], *, provider: ModelProvider | None = None) -> Agent[Any]:
    """
    Return an agent like this one, whose models' answers and function tools' results are kept, for one run in a step.

    Agents among its handoffs are taken along; what hosted tools do is a part of the model's answer.

    Args:
        agent: it stays what it is.
        provider: of models that are given by their names; OpenAI's by default.

    Raises:
        UsageError: called outside a step, or a handoff is no agent, but what was made of one.
    """
    return _Copies(Journal(), provider or MultiProvider()).of(agent)


class _Copies:
    """Copies of agents that may hand over to one another."""

    def __init__(self, journal: Journal, provider: ModelProvider) -> None:
        self._journal = journal
        self._provider = provider
        self._made: dict[int, Agent[Any]] = {}

    def of(self, agent: Agent[Any]) -> Agent[Any]:
        if id(agent) in self._made:
            return self._made[id(agent)]
        model = agent.model if isinstance(agent.model, Model) else self._provider.get_model(agent.model)
        tools = [_kept(each, self._journal) if isinstance(each, FunctionTool) else each for each in agent.tools]
        made = self._made[id(agent)] = agent.clone(model=_Recorded(model, agent.name, self._journal), tools=tools)
        made.handoffs = [self._handoff(each, agent.name) for each in agent.handoffs]
        return made

    def _handoff(self, given: object, name: str) -> Agent[Any]:
        if not isinstance(given, Agent):
            raise UsageError(
                f"agent {name} has a {type(given).__name__} among its handoffs, whose agent cannot be recorded; give "
                f"the agent itself"
            )
        return self.of(given)


class _Recorded(Model):
    """A model whose answers are kept."""

    def __init__(self, model: Model, agent: str, journal: Journal) -> None:
        self._model = model
        self._agent = agent
        self._journal = journal
        self._form = TypeAdapter(ModelResponse)

    async def close(self) -> None:
        await self._model.close()

    async def get_response(
        self,
        system_instructions: str | None,
        input: Any,  # noqa: A002  # the base class's word
        *args: Any,
        **kwargs: Any,
    ) -> ModelResponse:
        async def ask() -> Any:
            answer = await self._model.get_response(system_instructions, input, *args, **kwargs)
            return self._form.dump_python(answer, mode="json")

        about = ["model", self._agent, system_instructions, input]
        return self._form.validate_python(await self._journal.once(about, ask))

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return self._model.stream_response(*args, **kwargs)


def _kept(tool: FunctionTool, journal: Journal) -> FunctionTool:
    kept = copy.copy(tool)
    invoke = tool.on_invoke_tool

    async def invoked(context: Any, arguments: str) -> Any:
        about = ["tool", tool.name, context.tool_call_id, arguments]
        return await journal.once(about, lambda: invoke(context, arguments))

    kept.on_invoke_tool = invoked
    return kept
