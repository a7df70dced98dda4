"""
What is said between an agent, its model and its tools: plain values, which runs keep and pages show.

A conversation is a list of them. It may be returned by a workflow, passed to another one, and gone on with later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Usage:
    """
    What was used, as providers tell it.

    Attributes:
        requests: answers of models.
        input_tokens, output_tokens: what they read and wrote.
        tool_calls: calls of tools, those that failed too.
        cost: in US dollars, of the models whose price is known; what others cost is not in it.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """What was read and written together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.tool_calls + other.tool_calls,
            self.cost + other.cost,
        )


@dataclass(frozen=True)
class Prompt:
    """What somebody says to the model: a person, the program, or the agent itself about an answer that did not do."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """
    A call that the model asks for.

    Attributes:
        id: the provider's, or one that was made for it.
        name: of the tool.
        arguments: by name; a text where the model wrote what is no JSON object.
    """

    id: str
    name: str
    arguments: dict[str, Any] | str


@dataclass(frozen=True)
class Reply:
    """
    An answer of the model.

    Attributes:
        text: what it says.
        calls: what it asks for.
        thinking: what it lets see of its thoughts.
        usage: what this answer took.
        model: which one answered, as the provider calls it.
        finish: why it stopped: ``stop``, ``length``, ``tool_call``, ``content_filter`` or ``error``.
        raw: the answer as the library of models writes it down, to be sent back as it came; nothing to rely on.
    """

    text: str
    calls: list[ToolCall] = field(default_factory=list)
    thinking: str = ""
    usage: Usage = Usage()
    model: str = ""
    finish: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolResult:
    """
    What became of a call.

    Attributes:
        id, name: of the call.
        content: what the tool returned, as JSON has it; or what went wrong.
        outcome: ``success``, ``failed``, or ``denied`` where a person refused.
    """

    id: str
    name: str
    content: Any
    outcome: str = "success"


Message = Prompt | Reply | ToolResult
"""One entry of a conversation."""


@dataclass(frozen=True)
class ToolSpec:
    """
    What a model is told of a tool.

    Attributes:
        name: as the model calls it.
        description: what it is for.
        parameters: JSON schema of an object.
    """

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class ModelRequest:
    """
    What a model is asked, as it stands in the log.

    Attributes:
        model: ``provider:name``, or the name of one that the application has made.
        messages: the conversation.
        instructions: what the model is to be.
        tools: what it may call.
        output: how it tells its result, when that is no text: a tool that it must call.
        settings: temperature and the like, as Pydantic AI's ``ModelSettings`` has them.
        stream: name of the run's stream that the answer is told to as it comes, None for none.
        turn: id of the agent's turn, in that stream.
        told: how many of the messages are told there already.
    """

    model: str
    messages: list[Message]
    instructions: str = ""
    tools: list[ToolSpec] = field(default_factory=list)
    output: ToolSpec | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    stream: str | None = None
    turn: str = ""
    told: int = 0
