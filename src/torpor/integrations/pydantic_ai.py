"""
Agents of Pydantic AI inside a step: their answers and results of tools are kept, so that an attempt does not ask again
for what an attempt before it was told.

::

    @app.step(timeout="1h")
    async def research(question: str) -> str:
        return (await agent.run(question, capabilities=[Recorded()])).output

The agent's loop runs in the worker, from the beginning in each attempt. See docs/agents.md for what that means.
"""

from __future__ import annotations

from typing import Any

from pydantic_ai import ModelMessagesTypeAdapter, ModelResponse, RunContext, ToolCallPart, ToolDefinition
from pydantic_ai.capabilities import AbstractCapability

from torpor.agents.journal import Journal

_OF_ONE_ATTEMPT = frozenset(("timestamp", "run_id", "conversation_id"))


class Recorded(AbstractCapability[Any]):
    """
    A capability that keeps what models answer and tools return, for one run of an agent in a step.

    Raises:
        UsageError: made outside a step.
    """

    def __init__(self) -> None:
        self._journal = Journal()

    async def wrap_model_request(self, ctx: RunContext[Any], *, request_context: Any, handler: Any) -> ModelResponse:
        async def ask() -> Any:
            (written,) = ModelMessagesTypeAdapter.dump_python([await handler(request_context)], mode="json")
            return written

        said = ModelMessagesTypeAdapter.dump_python(request_context.messages, mode="json")
        kept = await self._journal.once(["model", _lasting(said)], ask)
        (response,) = ModelMessagesTypeAdapter.validate_python([kept])
        assert isinstance(response, ModelResponse)
        return response

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: Any, handler: Any
    ) -> Any:
        about = ["tool", call.tool_name, call.tool_call_id, call.args_as_json_str()]
        return await self._journal.once(about, lambda: handler(args))


def _lasting(value: Any) -> Any:
    """Return messages without what differs in each attempt."""
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in _OF_ONE_ATTEMPT}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
