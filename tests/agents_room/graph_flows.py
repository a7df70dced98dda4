"""Workflows with graphs of LangGraph, which only their steps know: workers alone have it."""

from __future__ import annotations

from typing import Any

from torpor import Backoff, Torpor, hook

app = Torpor("memory://")


@app.step(backoff=Backoff(first=0.01))
async def research_in_step(topic: str) -> dict[str, Any]:
    """Let a graph run."""
    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    return dict(await recorded(graphs.researching).ainvoke({"topic": topic}))


@app.step(backoff=Backoff(first=0.01))
def research_on_thread(topic: str) -> list[str]:
    """Do the same on a thread, and tell which nodes were seen."""
    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    return [next(iter(each)) for each in recorded(graphs.researching).stream({"topic": topic}, stream_mode="updates")]


@app.step(backoff=Backoff(first=0.01))
async def research_within(topic: str) -> dict[str, Any]:
    """Let a graph run inside another."""
    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    return dict(await recorded(graphs.nested).ainvoke({"topic": topic}))


@app.step(backoff=Backoff(first=0.01))
async def go_on(answer: str | None) -> dict[str, Any]:
    """Begin, or go on with a person's answer; return what is to be asked, or the state."""
    from langgraph.types import Command  # noqa: PLC0415  # workers alone have it

    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    given: Any = {"topic": "news"} if answer is None else Command(resume=answer)
    state = await recorded(graphs.asking).ainvoke(given)
    graphs.here(f"behind {answer}")
    return {"ask": [each.value for each in state.pop("__interrupt__", ())], **state}


@app.step(backoff=Backoff(first=0.01))
async def go_on_with_all(answers: dict[str, str] | None) -> dict[str, Any]:
    """Do the same, with an answer for each interrupt."""
    from langgraph.types import Command  # noqa: PLC0415  # workers alone have it

    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    given: Any = {"topic": "news"} if answers is None else Command(resume=answers)
    state = await recorded(graphs.polling).ainvoke(given)
    return {"ask": {each.value["about"]: each.id for each in state.pop("__interrupt__", ())}, **state}


@app.step(max_retries=0)
async def twice() -> None:
    """Call one graph twice, which cannot be told apart."""
    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    graph = recorded(graphs.researching)
    await graph.ainvoke({"topic": "x"})
    await graph.ainvoke({"topic": "x"})


@app.step(max_retries=0)
async def blocking() -> None:
    """Block the event loop."""
    from tests.agents_room import graphs  # noqa: PLC0415  # workers alone have it
    from torpor.integrations.langgraph import recorded  # noqa: PLC0415  # as above

    recorded(graphs.researching).invoke({"topic": "x"})


@app.workflow
async def research(topic: str, how: str = "step") -> Any:
    """Call one of the steps."""
    steps: dict[str, Any] = {"step": research_in_step, "thread": research_on_thread, "within": research_within}
    return await steps[how](topic)


@app.workflow
async def approved(token: str) -> dict[str, Any]:
    """Sleep until a person has answered whatever the graph asks."""
    state = await go_on(None)
    while state["ask"]:
        state = await go_on(str(await hook(f"{token} {state['ask'][0]['question']}")))
    return state


@app.workflow
async def polled() -> dict[str, Any]:
    """Answer two interrupts at once."""
    state = await go_on_with_all(None)
    return await go_on_with_all({state["ask"][about]: f"is {about}" for about in ("sun", "moon")})


@app.workflow
async def mistaken(how: str) -> None:
    """Call a step that does what it must not."""
    await {"twice": twice, "blocking": blocking}[how]()
