"""
What an agent may use: steps, functions of the workflow, workflows (as child runs), other agents, and MCP servers.

What became of a call is told to the model, also what went wrong. A call that needs a person's word waits for it in a
hook, for as long as it takes.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import Any

from torpor.agents.asking import ask_host, hook, start
from torpor.agents.messages import ToolSpec
from torpor.agents.schemas import spec_of
from torpor.codec.types.references import reference_of
from torpor.codec.typing.annotations import convert_arguments
from torpor.codec.values import StepFunction, WorkflowFunction
from torpor.durations import Duration, milliseconds
from torpor.errors import ArgumentError, ConfigurationError

Approve = bool | Callable[[dict[str, Any]], bool | str]


@dataclass(frozen=True)
class Approval:
    """
    What a person says of a call that waits for approval; the payload of its hook.

    Attributes:
        approved: whether it is to be carried out.
        reason: why not; the model reads it.
        arguments: others than the model's, None for those.
    """

    approved: bool
    reason: str = ""
    arguments: dict[str, Any] | None = None


class Tool:
    """
    A tool and how it is to be used; see :func:`tool`.

    Attributes:
        what: the step, function, workflow or agent.
    """

    def __init__(
        self,
        what: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        approve: Approve = False,
        within: Duration | None = None,
        ends: bool = False,
    ) -> None:
        if not callable(what):
            raise ConfigurationError(
                f"tool({what!r:.100}): give a step, a function, a workflow, an Agent or an McpServer"
            )
        self.what = what
        self.name = name or str(getattr(what, "__name__", "") or type(what).__name__)
        self.description = description
        self.approve = approve
        self.within_ms = None if within is None else milliseconds(within)
        self.ends = ends

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.what(*args, **kwargs)

    @property
    def is_step(self) -> bool:
        """Whether it is a step, which is known where it is carried out."""
        return isinstance(reference_of(self.what), StepFunction)

    def spec(self) -> ToolSpec:
        """Return what a model is told of it; of a step, only the worker knows."""
        return spec_of(self.what, self.name, self.description)

    async def carry_out(self, arguments: dict[str, Any]) -> Any:
        """Call it with the model's arguments, and return what it returned."""
        reference = reference_of(self.what)
        if isinstance(reference, StepFunction):
            return await self.what(**arguments)
        args, kwargs = convert_arguments(self.what, (), arguments, f"tool {self.name}")
        if isinstance(reference, WorkflowFunction):
            bound = inspect.signature(self.what).bind(*args, **kwargs)
            child = await start(self.what, *bound.args, **bound.kwargs)
            return await child.result()
        made = self.what(*args, **kwargs)
        return await made if isinstance(made, Awaitable) else made

    async def approved(self, arguments: dict[str, Any], about: Mapping[str, Any], told: Told) -> Approval:
        """
        Wait for a person's word where one is needed.

        Args:
            arguments: the model's.
            about: what stands beside the hook for who looks it up.
            told: is called with the hook's token once it is there.
        """
        wanted = self.approve(arguments) if callable(self.approve) else self.approve
        if not wanted:
            return Approval(True)
        async with hook(Approval, token=wanted if isinstance(wanted, str) else None, metadata=dict(about)) as asked:
            await told(asked.token)
            limit = nullcontext() if self.within_ms is None else asyncio.timeout(self.within_ms / 1000)
            try:
                async with limit:
                    while True:
                        try:
                            return await asked
                        except ArgumentError:
                            continue  # whoever sent what is none is not the one who decides
            except TimeoutError:
                return Approval(False, "nobody decided in time")


Told = Callable[[str], Awaitable[None]]


class McpTool(Tool):
    """One tool of an MCP server, called by a step on the host."""

    def __init__(self, server: str, remote_name: str, spec: ToolSpec, like: Tool | None = None) -> None:
        async def call(**arguments: Any) -> Any:
            return await ask_host("mcp", server, remote_name, arguments)

        super().__init__(call, name=spec.name, approve=like.approve if like else False)
        self._spec = spec

    def spec(self) -> ToolSpec:
        return self._spec

    async def carry_out(self, arguments: dict[str, Any]) -> Any:
        return await self.what(**arguments)


def tool(
    what: Any = None,
    /,
    *,
    name: str = "",
    description: str = "",
    approve: Approve = False,
    within: Duration | None = None,
    ends: bool = False,
) -> Any:
    """
    Say how an agent uses a tool: ``tools=[search, tool(send, approve=True)]``, or as a decorator of a function.

    Args:
        what: a step, a function of the workflow, a workflow or an agent.
        name: what the model calls it; the function's name by default.
        description: what the model is told of it; the function's docstring by default.
        approve: whether a person is asked first. A function of the model's arguments may decide that: it returns
            False for no, True for yes, or a text for yes, with this token of the hook.
        within: how long a person has; nobody's word in time is a refusal.
        ends: what it returns is what the agent returns: the agent hands over.

    Raises:
        ConfigurationError: *what* cannot be called.
    """

    def made(function: Any) -> Tool:
        return Tool(function, name=name, description=description, approve=approve, within=within, ends=ends)

    return made if what is None else made(what)


def plain(value: Any) -> Any:  # noqa: PLR0911  # a case each
    """Return a value as JSON has it, for a model to read."""
    match value:
        case None | bool() | int() | float() | str():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return plain(value.value)
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case datetime() | date() | time():
            return value.isoformat()
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case _ if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return str(value)


def as_text(content: Any) -> str:
    """Return what a tool returned as a text."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
