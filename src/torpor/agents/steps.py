"""
The built-in steps of agents, as workers carry them out: to ask a model, to describe tools, to call an MCP server, and
to tell a run's stream what workflow code knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torpor.agents.chunks import told_messages
from torpor.agents.messages import Message, ModelRequest, Reply, ToolSpec
from torpor.agents.schemas import spec_of
from torpor.authority import Authority
from torpor.codec.values import StepFunction
from torpor.engine.stream_steps import get_writable
from torpor.errors import NotAllowedError, RetryableError


class AgentSteps:
    """
    The steps, bound to one application.

    Args:
        authority: what the application allows.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Return them by their full names."""
        return {
            "step//torpor//model": self.model,
            "step//torpor//tools": self.tools,
            "step//torpor//mcp": self.mcp,
            "step//torpor//tell": self.tell,
        }

    async def model(self, request: ModelRequest) -> Reply:
        """
        Ask a model; see :func:`torpor.agents.requesting.request`.

        Raises:
            NotAllowedError: the application does not allow it.
        """
        if not self._authority.allows_model(request.model):
            raise NotAllowedError(
                f"agents may not ask {request.model}; if they shall, let the application allow it: "
                f"Torpor(allow=['model//{request.model}'])"
            )
        from torpor.agents.requesting import ask  # noqa: PLC0415  # the library of models is optional, and large

        return await ask(request)

    async def tools(self, steps: Sequence[Sequence[Any]], servers: Sequence[str]) -> dict[str, list[Any]]:
        """
        Say what models are told of tools that only workers know.

        Args:
            steps: each with a name and a description, which may be empty.
            servers: names of MCP servers.

        Raises:
            RetryableError: this worker does not have a step.
            ConfigurationError: a step takes what JSON cannot hold, or no such server is declared here.
        """
        listed = []
        if servers:
            from torpor.agents.mcp_calls import list_tools  # noqa: PLC0415  # its library is optional

            listed = [await list_tools(name) for name in servers]
        return {"steps": [_described(*each) for each in steps], "servers": listed}

    async def mcp(self, server: str, name: str, arguments: dict[str, Any]) -> Any:
        """Call a tool of an MCP server; see :func:`torpor.agents.mcp_calls.call_tool`."""
        from torpor.agents.mcp_calls import call_tool  # noqa: PLC0415  # as above

        return await call_tool(server, name, arguments)

    async def tell(self, stream: str, messages: Sequence[Message], chunks: Sequence[dict[str, Any]]) -> None:
        """Write what became of calls, and further chunks, to a stream of the run."""
        out = get_writable(stream)
        for chunk in (*told_messages(messages), *chunks):
            await out.write(chunk)


def _described(step: Any, name: str, description: str) -> ToolSpec:
    if isinstance(step, StepFunction):
        raise RetryableError(f"this worker does not have {step.step_id}, which an agent uses as a tool")
    return spec_of(step, name, description)
