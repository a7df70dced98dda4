"""
What happens to an agent as chunks of the AI SDK's UI message stream, version 1, which ``useChat`` reads.

They are plain values, so a program in Python reads them as well: ``text-delta`` has the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torpor.agents.messages import Message, ToolCall, ToolResult
from torpor.agents.tools import as_text

Chunk = dict[str, Any]


def told_messages(messages: Sequence[Message]) -> Iterator[Chunk]:
    """Yield what became of calls of tools."""
    for message in messages:
        if isinstance(message, ToolResult):
            yield _told_result(message)


def _told_result(result: ToolResult) -> Chunk:
    about = {"toolCallId": result.id}
    if result.outcome == "success":
        return {"type": "tool-output-available", **about, "output": result.content}
    if result.outcome == "denied":
        return {"type": "tool-output-denied", **about}
    return {"type": "tool-output-error", **about, "errorText": as_text(result.content)}


class Spoken:
    """
    An answer while it comes, in parts that begin, grow and end.

    Args:
        turn: id of the agent's turn, which is a message in a chat.
        number: of the request in it.
    """

    def __init__(self, turn: str, number: int) -> None:
        self._prefix = f"{turn}-{number}"
        self._turn = turn
        self._is_first = number == 0
        self._open: dict[int, str] = {}  # parts by their places: text or reasoning

    def begin(self) -> Iterator[Chunk]:
        """Yield what stands before an answer."""
        if self._is_first:
            yield {"type": "start", "messageId": self._turn}
        yield {"type": "start-step"}

    def text(self, place: int, kind: str, delta: str) -> Iterator[Chunk]:
        """Yield more of a part: *kind* is ``text`` or ``reasoning``."""
        id = f"{self._prefix}-{place}"  # noqa: A001  # the protocol's word
        if place not in self._open:
            self._open[place] = kind
            yield {"type": f"{kind}-start", "id": id}
        if delta:
            yield {"type": f"{kind}-delta", "id": id, "delta": delta}

    def end(self, calls: Sequence[ToolCall]) -> Iterator[Chunk]:
        """Yield what stands behind an answer: the ends of its parts, and what it asks for."""
        for place, kind in self._open.items():
            yield {"type": f"{kind}-end", "id": f"{self._prefix}-{place}"}
        for call in calls:
            about = {"toolCallId": call.id, "toolName": call.name}
            yield {"type": "tool-input-available", **about, "input": call.arguments}
        yield {"type": "finish-step"}
