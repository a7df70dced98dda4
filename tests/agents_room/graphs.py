"""Graphs of LangGraph, as tests run them: their nodes say that they have run, and attempts die where tests say."""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt

calls: list[str] = []
"""Nodes that have run, and what they did."""
dies: dict[str, int] = {}
"""Places, and how many attempts die there."""
reached: Counter[str] = Counter()
hanging = asyncio.Event()
"""Set once a node hangs."""


def here(place: str) -> None:
    """Die, if a test says so."""
    reached[place] += 1
    if reached[place] <= dies.get(place, 0):
        raise ConnectionError("the worker dies")


class Research(TypedDict, total=False):
    """What a graph knows."""

    topic: str
    found: Annotated[list[str], operator.add]
    text: str
    verdicts: Annotated[list[str], operator.add]


def plan(_: Research) -> Research:
    """Begin with a plan."""
    calls.append("plan")
    return {"found": ["plan"]}


def look(state: Research) -> Research:
    """Look one thing up."""
    here(f"look {state['topic']}")
    calls.append(f"look {state['topic']}")
    return {"found": [state["topic"]]}


def write(state: Research) -> Research:
    """Write down what was found."""
    here("write")
    calls.append("write")
    return {"text": " ".join(sorted(state["found"]))}


async def close(state: Research) -> Research:
    """Hang, if a test says so, and end."""
    if dies.pop("close", None):
        hanging.set()
        await asyncio.Event().wait()
    calls.append("close")
    return {"verdicts": [state["text"]]}


def spread(state: Research) -> list[Send]:
    """Look several things up at once."""
    return [Send("look", {"topic": f"{state['topic']} {each}"}) for each in ("a", "b")]


_research: Any = StateGraph(Research)
_research.add_node(plan)
_research.add_node(look)
_research.add_node(write)
_research.add_edge(START, "plan")
_research.add_conditional_edges("plan", spread, ["look"])
_research.add_edge("look", "write")
_research.add_edge("write", END)
researching = _research.compile()


def ask(_: Research) -> Research:
    """Ask a person twice."""
    first = interrupt({"question": "send it?"})
    second = interrupt({"question": "to all?"})
    calls.append(f"ask {first} {second}")
    return {"verdicts": [first, second]}


def poll(state: Research) -> Research:
    """Ask a person about one of several things."""
    answer = interrupt({"about": state["topic"]})
    here(f"poll {state['topic']}")
    calls.append(f"poll {state['topic']} {answer}")
    return {"verdicts": [f"{state['topic']} {answer}"]}


def each_alone(_: Research) -> list[Send]:
    """Ask about two things at once."""
    return [Send("poll", {"topic": each}) for each in ("sun", "moon")]


_asking: Any = StateGraph(Research)
_asking.add_node(plan)
_asking.add_node(ask)
_asking.add_node(write)
_asking.add_edge(START, "plan")
_asking.add_edge("plan", "ask")
_asking.add_edge("ask", "write")
asking = _asking.compile()

_polling: Any = StateGraph(Research)
_polling.add_node(poll)
_polling.add_conditional_edges(START, each_alone, ["poll"])
polling = _polling.compile()

_within: Any = StateGraph(Research)
_within.add_node("inner", researching)
_within.add_node(close)
_within.add_edge(START, "inner")
_within.add_edge("inner", "close")
nested = _within.compile()
