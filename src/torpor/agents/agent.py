"""
The loop of an agent: ask the model, carry out what it asks for, tell it what became of that, until it has an answer.

It is workflow code. Each answer of a model, and each call of a tool that is a step, is recorded before anything follows
from it, so whatever dies, an answer is not asked for again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, overload

from torpor.agents.asking import ask_host
from torpor.agents.budget import Budget, Ledger, spending
from torpor.agents.mcp import McpServer
from torpor.agents.messages import (
    Message,
    ModelRequest,
    Prompt,
    Reply,
    ToolCall,
    ToolResult,
    ToolSpec,
    Usage,
)
from torpor.agents.schemas import object_schema
from torpor.agents.tools import McpTool, Tool, plain
from torpor.codec.types.classes import class_path
from torpor.codec.typing.annotations import convert
from torpor.codec.typing.conversion import name_of
from torpor.durations import Duration
from torpor.errors import ArgumentError, BudgetExceededError, ConfigurationError, OutputError, StepError
from torpor.retries import travelling

T = TypeVar("T")
Chunk = dict[str, Any]

ANSWER = "final_answer"
"""The tool by which a model returns what is no text."""

_turns = itertools.count(1)  # of this run: the VM is its own


@dataclass(frozen=True)
class AgentResult(Generic[T]):
    """
    What an agent came to.

    Attributes:
        output: its answer.
        messages: the conversation, to go on with: ``agent.run(…, messages=result.messages)``.
        usage: what was used by it, and by agents that it called.
    """

    output: T
    messages: list[Message]
    usage: Usage


class Agent(Generic[T]):
    """
    A model with instructions, tools and a form of its answer. Make it at module level, and run it in workflows.

    Args:
        model: ``provider:name`` as Pydantic AI has it, such as ``openai:gpt-5``, or the name of a model that the
            application makes: :func:`torpor.agents.model`.
        instructions: what it is to be; or a function that returns that, called in the workflow.
        tools: steps, functions, workflows, agents, MCP servers; see :func:`torpor.agents.tool`.
        output: what it returns: ``str``, or a dataclass, a model of pydantic, a typed dict, a list …
        budget: what one run of it may use.
        name: for messages, hooks and pages.
        output_retries: how often the model is asked again for an answer of that form.
        settings: ``temperature``, ``max_tokens`` and what else Pydantic AI's ``ModelSettings`` has.
        timeout: how long one attempt of a request may take.
        max_retries: attempts of a request after the first, where the provider says that another one may help.

    Raises:
        ConfigurationError: *model* is no name, a tool is none, or *output* has no form in JSON.
    """

    @overload
    def __init__(
        self: Agent[str],
        model: str,
        *,
        instructions: str | Callable[[], str] = ...,
        tools: Sequence[Any] = ...,
        budget: Budget = ...,
        name: str = ...,
        output_retries: int = ...,
        settings: Mapping[str, Any] | None = ...,
        timeout: Duration | None = ...,
        max_retries: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        model: str,
        *,
        output: type[T],
        instructions: str | Callable[[], str] = ...,
        tools: Sequence[Any] = ...,
        budget: Budget = ...,
        name: str = ...,
        output_retries: int = ...,
        settings: Mapping[str, Any] | None = ...,
        timeout: Duration | None = ...,
        max_retries: int = ...,
    ) -> None: ...

    def __init__(
        self,
        model: str,
        *,
        instructions: str | Callable[[], str] = "",
        tools: Sequence[Any] = (),
        output: Any = str,
        budget: Budget = Budget(),  # noqa: B008  # it is frozen
        name: str = "agent",
        output_retries: int = 2,
        settings: Mapping[str, Any] | None = None,
        timeout: Duration | None = "10m",
        max_retries: int = 5,
    ) -> None:
        if not isinstance(model, str):
            raise ConfigurationError(
                f"Agent(model=…) takes a name such as 'openai:gpt-5', not a {type(model).__name__}; what depends on a "
                f"worker's environment, or is a model already, is made by a function with @torpor.agents.model('name')"
            )
        self.model = model
        self.instructions = instructions
        self.output = output
        self.budget = budget
        self.name = self.__name__ = name
        self.output_retries = output_retries
        self.settings = dict(settings or {})
        self._options = travelling({"timeout": timeout, "max_retries": max_retries}, class_path)
        self._tools = [each if isinstance(each, Tool | McpServer) else _as_tool(each) for each in tools]
        self._form = None if output is str else object_schema(output)
        self._offered: dict[str, tuple[Tool, ToolSpec]] | None = None

    def __repr__(self) -> str:
        return f"<Agent {self.name}>"

    async def __call__(self, prompt: str) -> AgentResult[T]:
        """Answer a prompt, as a tool of another agent."""
        return await self.run(prompt)

    async def run(
        self,
        prompt: str,
        *,
        messages: Sequence[Message] = (),
        stream: str | None = None,
        model: str = "",
        budget: Budget | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> AgentResult[T]:
        """
        Answer a prompt; in a workflow.

        Args:
            prompt: what is to be done.
            messages: a conversation that this goes on with.
            stream: name of a stream of the run that is told what happens as it happens, ``""`` for the default one;
                in the form that the AI SDK's ``useChat`` reads.
            model, budget: in place of the agent's.
            settings: beside the agent's.

        Raises:
            BudgetExceededError: it has used what it may use.
            OutputError: the model gave no answer of the agent's form.
            ModelError: the provider refuses.
            StepError: it could not be asked, in all attempts.
            OutsideWorkflowError: this is no workflow.
        """
        turn = _Turn(self, [*messages], budget or self.budget, stream, model or self.model, settings or {})
        token = spending.set(turn.ledger)
        try:
            return cast(AgentResult[T], await turn.answer(prompt))
        finally:
            spending.reset(token)

    async def offered(self) -> dict[str, tuple[Tool, ToolSpec]]:
        """
        Return the tools by their names, with what a model is told of them; asked for once in a run.

        Raises:
            ConfigurationError: two have the same name, or one takes what JSON cannot hold.
        """
        if self._offered is None:
            steps = [each for each in self._tools if isinstance(each, Tool) and each.is_step]
            servers = [each for each in self._tools if isinstance(each, McpServer)]
            told: dict[str, Any] = {"steps": [], "servers": []}
            if steps or servers:
                asked = [[each.what, each.name, each.description] for each in steps]
                told = await ask_host("tools", asked, [each.name for each in servers])
            specs = dict(zip(map(id, steps), told["steps"], strict=True))
            found = [(each, specs.get(id(each)) or each.spec()) for each in self._tools if isinstance(each, Tool)]
            for server, listed in zip(servers, told["servers"], strict=True):
                found += [(McpTool(server.name, name, spec), spec) for name, spec in listed]
            self._offered = _by_name(self.name, found)
        return self._offered


class _Turn:
    """One run of an agent, from a prompt to its answer."""

    def __init__(
        self,
        agent: Agent[Any],
        messages: list[Message],
        budget: Budget,
        stream: str | None,
        model: str,
        settings: Mapping[str, Any],
    ) -> None:
        self.ledger = Ledger(budget, agent.name, spending.get())
        self._agent = agent
        self._messages = messages
        self._stream = stream
        self._model = model
        self._settings = {**agent.settings, **settings}
        self._id = f"turn-{next(_turns)}"
        self._told = len(messages)
        self._failures = 0

    async def answer(self, prompt: str) -> AgentResult[Any]:
        agent = self._agent
        offered = await agent.offered()
        instructions = agent.instructions if isinstance(agent.instructions, str) else agent.instructions()
        self._messages.append(Prompt(prompt))
        while True:
            self.ledger.check_request()
            reply = await self._ask(instructions, [spec for _, spec in offered.values()])
            ending = self._ending(reply)
            if ending is None:
                calls = [call for call in reply.calls if call.name != ANSWER]
                self.ledger.check_calls(len(calls))
                results = await asyncio.gather(*(self._call(offered.get(call.name), call) for call in calls))
                self._messages += [result for result, _ in results]
                ending = next((end for _, end in results if end is not None), None)
            if ending is not None:
                await self._tell([{"type": "finish"}], rest=True)
                return AgentResult(ending[0], self._messages, self.ledger.usage)

    async def _ask(self, instructions: str, tools: list[ToolSpec]) -> Reply:
        form = self._agent._form  # noqa: SLF001  # a turn is a part of its agent
        request = ModelRequest(
            model=self._model,
            messages=self._messages,
            instructions=instructions,
            tools=tools,
            output=None if form is None else ToolSpec(ANSWER, "Give your final answer by calling this.", form[0]),
            settings=self._settings,
            stream=self._stream,
            turn=self._id,
            told=self._told,
        )
        reply: Reply = await ask_host("model", request, options=self._agent._options)  # noqa: SLF001  # as above
        self._messages.append(reply)
        self._told = len(self._messages)
        self.ledger.add(reply.usage)
        return reply

    def _ending(self, reply: Reply) -> tuple[Any] | None:
        """Return the answer that a reply has, or say in the conversation why it has none, if it tries to."""
        form = self._agent._form  # noqa: SLF001  # as above
        if form is None:
            if reply.calls:
                return None
            if reply.text:
                return (reply.text,)
            self._again("Your answer is empty. Answer, or call a tool.")
            return None
        given = [call for call in reply.calls if call.name == ANSWER]
        if not given:
            if not reply.calls:
                self._again(f"Give your answer by calling {ANSWER}.")
            return None
        first, *_ = given
        try:
            answer = convert(_unwrapped(first.arguments, is_wrapped=form[1]), self._agent.output, "the answer")
        except (ArgumentError, ValueError) as error:
            self._messages += [ToolResult(call.id, call.name, str(error), "failed") for call in given]
            self._again()
            return None
        self._messages += [
            ToolResult(call.id, call.name, "accepted" if call is first else "not carried out: the answer was given")
            for call in reply.calls
        ]
        return (answer,)

    def _again(self, why: str = "") -> None:
        """Have the model asked once more, and tell it why, unless a result of a tool does."""
        self._failures += 1
        if self._failures > self._agent.output_retries:
            last = self._messages[-1]
            wrong = why or (last.content if isinstance(last, ToolResult) else "")
            raise OutputError(
                f"agent {self._agent.name}: {self._model} gave no {name_of(self._agent.output)} in {self._failures} "
                f"attempts: {wrong}"
            )
        if why:
            self._messages.append(Prompt(why))

    async def _call(self, found: tuple[Tool, ToolSpec] | None, call: ToolCall) -> tuple[ToolResult, tuple[Any] | None]:
        """Carry out a call; what it returned ends the turn if the tool says so."""
        self.ledger.add(Usage(tool_calls=1))
        if found is None:
            offered = await self._agent.offered()
            return ToolResult(
                call.id, call.name, f"there is no tool {call.name}; there are {', '.join(offered)}", "failed"
            ), None
        tool = found[0]
        try:
            if isinstance(call.arguments, str):
                raise ArgumentError(f"tool {tool.name}: the arguments are no JSON object: {call.arguments:.200}")
            about = {"agent": self._agent.name, "tool": tool.name, "call": call.id, "arguments": call.arguments}
            word = await tool.approved(call.arguments, about, lambda token: self._tell_asked(call, token))
            if not word.approved:
                said = f"A person refused: {word.reason}" if word.reason else "A person refused this call."
                return ToolResult(call.id, call.name, said, "denied"), None
            value = await tool.carry_out(call.arguments if word.arguments is None else word.arguments)
            if isinstance(value, AgentResult):
                if not isinstance(tool.what, Agent):  # which has told the ledger itself
                    self.ledger.add(value.usage)
                value = value.output
            ending = (convert(value, self._agent.output, f"what {tool.name} returned"),) if tool.ends else None
            return ToolResult(call.id, call.name, plain(value)), ending
        except BudgetExceededError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever goes wrong is the model's to know
            return ToolResult(call.id, call.name, _told_of(error), "failed"), None

    async def _tell_asked(self, call: ToolCall, token: str) -> None:
        await self._tell([{"type": "tool-approval-request", "approvalId": token, "toolCallId": call.id}])

    async def _tell(self, chunks: list[Chunk], *, rest: bool = False) -> None:
        """Have a step write to the stream, if there is one: what is in it comes from steps."""
        if self._stream is not None:
            untold = self._messages[self._told :] if rest else []
            await ask_host("tell", self._stream, untold, chunks)


def _as_tool(what: Any) -> Tool:
    if isinstance(what, Agent):
        said = what.instructions if isinstance(what.instructions, str) else ""
        return Tool(what, description=f"Ask the agent {what.name}. {said}".strip())
    return Tool(what)


def _by_name(agent: str, found: Sequence[tuple[Tool, ToolSpec]]) -> dict[str, tuple[Tool, ToolSpec]]:
    named = {spec.name: (each, spec) for each, spec in found}
    if len(named) < len(found) or ANSWER in named:
        names = sorted(spec.name for _, spec in found)
        raise ConfigurationError(
            f"agent {agent}: two tools have one name, or one is called {ANSWER}: {', '.join(names)}; give one of them "
            f"another: tool(…, name=…)"
        )
    return named


def _unwrapped(arguments: dict[str, Any] | str, *, is_wrapped: bool) -> Any:
    if isinstance(arguments, str):
        raise ArgumentError(f"the arguments are no JSON object: {arguments:.200}")
    return arguments.get("value") if is_wrapped else arguments


def _told_of(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, StepError) and error.__cause__ is not None else error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
