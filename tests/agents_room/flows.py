"""Workflows with agents, as tests run them; what the model says is each test's to decide."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from torpor import Backoff, StepError, Torpor, current_step, fork, forks, hook, sleep
from torpor.agents import Agent, AgentResult, Budget, McpServer, Message, model, tool

app = Torpor("memory://")

MODEL = "openai-chat:scripted"
elsewhere = {"url": ""}
"""Where the model ``elsewhere`` is."""
sent: list[str] = []
"""What was sent, outside."""


@model("elsewhere")
def another_model() -> Any:
    """Return a model at an address of its own."""
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415  # workers alone have it
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415  # as above

    return OpenAIChatModel("any", provider=OpenAIProvider(base_url=elsewhere["url"], api_key="none"))


@app.step
async def search(query: str, most: int = 2) -> list[str]:
    """
    Search the library.

    Args:
        query: words that
            are looked for.
        most: how many titles.
    """
    return [f"{query} {number}" for number in range(most)]


@app.step
def send(to: str, text: str) -> str:
    """Send a letter."""
    sent.append(f"{to}: {text}")
    return "sent"


@app.step(max_retries=0)
def explode(what: str) -> None:
    """Do what fails."""
    raise KeyError(what)


async def nap(hours: float) -> str:
    """Sleep for some hours."""
    await sleep(hours * 3600)
    return f"slept {hours} h"


class Finding(BaseModel):
    """What was found."""

    title: str
    pages: int


@dataclass
class Report:
    """
    What comes of it.

    Attributes:
        topic: of the report.
        findings: best first.
        grade: how good they are.
    """

    topic: str
    findings: list[Finding]
    grade: Literal["good", "bad"] = "good"


@app.workflow
async def write(topic: str, pages: int = 1) -> str:
    """Write a text on a topic."""
    return (await Agent(MODEL, name="writer").run(f"write {topic}, {pages} pages")).output


reporter = Agent(MODEL, instructions="Be brief.", tools=[search], output=Report, name="reporter")
talker = Agent(MODEL, name="talker")
busy = Agent(MODEL, tools=[search, explode, nap, talker, write], name="busy")
careful = Agent(
    MODEL,
    tools=[tool(send, approve=lambda given: f"letter to {given['to']}" if given["to"] != "me" else False, within="2d")],
)
handing = Agent(MODEL, tools=[tool(write, ends=True)], name="handing")
library = McpServer("library", url="http://127.0.0.1:1/mcp", prefix="lib_", tools=["add", "fail"])
bookish = Agent(MODEL, tools=[library], name="bookish")
numbers = Agent(MODEL, output=list[int], name="numbers")


@app.workflow
async def report(topic: str) -> AgentResult[Report]:
    return await reporter.run(topic)


@app.workflow
async def work(prompt: str) -> AgentResult[str]:
    return await busy.run(prompt)


@app.workflow
async def correspond(prompt: str) -> AgentResult[str]:
    return await careful.run(prompt)


@app.workflow
async def hand_over(prompt: str) -> AgentResult[str]:
    return await handing.run(prompt)


@app.workflow
async def count(prompt: str) -> list[int]:
    return (await numbers.run(prompt)).output


@app.workflow
async def read(prompt: str) -> AgentResult[str]:
    return await bookish.run(prompt)


@app.workflow
async def talk(prompts: list[str], messages: list[Message], stream: str | None = None) -> list[Message]:
    for prompt in prompts:
        messages = (await talker.run(prompt, messages=messages, stream=stream)).messages
    return messages


@app.workflow
async def stream_work(prompt: str) -> str:
    return (await busy.run(prompt, stream="news")).output


@app.workflow
async def spend(prompt: str, limits: dict[str, Any]) -> str:
    return (await busy.run(prompt, budget=Budget(**limits))).output


@app.workflow
async def best(prompt: str) -> str:
    """Write a plan once, try it three times, and keep the longest."""
    plan = await talker.run(prompt)
    index = await fork(2)
    tried = await talker.run(f"try {index}", messages=plan.messages)
    others = [await each.result() for each in forks()]
    return str(max([tried.output, *others], key=len))


@app.workflow
async def together(prompts: list[str]) -> list[str]:
    return [each.output for each in await asyncio.gather(*map(talker.run, prompts))]


@app.workflow
async def interview(first: str, second: str) -> list[str]:
    said = [(await talker.run(first, model="elsewhere")).output]
    await hook("the server is gone")
    try:
        await talker.run(second, model="elsewhere")
    except StepError:
        await hook("the server is back")
    return [*said, (await talker.run(second, model="elsewhere")).output]


weighed: list[str] = []
attempts: list[int] = []


def weigh(what: str) -> int:
    """Weigh something."""
    weighed.append(what)
    return len(what)


@app.step(backoff=Backoff(first=0.01))
async def weigh_by_pydantic_ai(prompt: str) -> str:
    """Let an agent of Pydantic AI answer; the first two attempts die behind some of its requests."""
    from pydantic_ai import Agent as TheirAgent  # noqa: PLC0415  # workers alone have it

    from torpor.integrations.pydantic_ai import Recorded  # noqa: PLC0415  # as above

    attempt = current_step().attempt
    attempts.append(attempt)
    agent = TheirAgent(MODEL, tools=[weigh])
    async with agent, agent.iter(prompt, capabilities=[Recorded()]) as going:
        requests = 0
        async for node in going:
            requests += TheirAgent.is_call_tools_node(node)
            if requests == attempt and attempt < 3:
                raise ConnectionError("the worker dies")
    assert going.result is not None
    return going.result.output


@app.workflow
async def weighing(prompt: str) -> str:
    return await weigh_by_pydantic_ai(prompt)


@app.workflow
async def converse(prompt: str, messages: list[Message]) -> str:
    return (await careful.run(prompt, messages=messages, stream="")).output


@app.workflow
async def approving(token: str) -> object:
    return await hook(token)


@app.step(backoff=Backoff(first=0.01))
async def weigh_by_openai_agents(prompt: str) -> str:
    """Let an agent of the OpenAI Agents SDK answer; the first two attempts die behind a call of a tool."""
    import agents  # noqa: PLC0415  # workers alone have it
    from openai import AsyncOpenAI  # noqa: PLC0415  # as above

    from torpor.integrations.openai_agents import recorded  # noqa: PLC0415  # as above

    attempt = current_step().attempt
    attempts.append(attempt)
    ended: list[object] = []

    class Dying(agents.RunHooks[Any]):
        """Ends an attempt behind a result of a tool."""

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            ended.append(result)
            if len(ended) > attempt and attempt < 3:
                raise ConnectionError("the worker dies")

    agents.set_tracing_disabled(True)
    async with AsyncOpenAI(max_retries=0) as client:
        spoken = agents.OpenAIChatCompletionsModel(model="scripted", openai_client=client)
        weigher = agents.Agent(name="weigher", model=spoken, tools=[agents.function_tool(weigh)])
        desk = agents.Agent(name="desk", model=spoken, handoffs=[weigher])
        result = await agents.Runner.run(recorded(desk), prompt, hooks=Dying())
    return str(result.final_output)


@app.workflow
async def weighing_over(prompt: str) -> str:
    return await weigh_by_openai_agents(prompt)
