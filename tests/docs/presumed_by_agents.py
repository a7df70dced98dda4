"""What the fragments of ``docs/agents.md`` presume; see ``presumed.py``."""

from __future__ import annotations

from tests.docs.fragments import Presumes

PAGE = "agents.md"
LIBRARY = 'command=["{python}", "-m", "tests.agents_room.library_server"], env={"PYTHONPATH": "{tests}"}'

_DESK = """
from dataclasses import dataclass
from typing import Any
from torpor import Torpor, fork, forks, hook, sleep
from torpor.agents import Agent, McpServer, Message, tool
app = Torpor("memory://")
MODEL = "openai-chat:any"

@app.step
async def find_order(number: str) -> str:
    return f"order {number}"

@app.step
async def refund(number: str, cents: int) -> str:
    return f"{cents} for {number}"

@dataclass
class Answer:
    letter: str
"""

_REPLY = """
@app.workflow
async def reply(letter: str) -> str:
    return (await desk.run(letter)).output
"""

_ANSWERS = """
from tests.docs.fragments import model as answering
from torpor.testing.model_server import Said
"""

_RESEARCH = """
@app.workflow
async def ask(question: str) -> object:
    return await research(question)
"""

_GRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

class State(TypedDict, total=False):
    question: str
    answer: str

def look(state):
    return {"answer": LOOKED}

building = StateGraph(State)
building.add_node("look", look)
building.add_edge(START, "look")
building.add_edge("look", END)
graph = building.compile()
"""

AGENTS = [
    Presumes(
        PAGE,
        "tools = [",
        before=_DESK
        + """
@app.step
async def write_letter(text: str) -> str:
    return f"letter: {text}"

async def remind(hours: int) -> str:
    await sleep(hours * 3600)
    return "reminded"

@app.workflow
async def research(question: str) -> str:
    return f"read about {question}"

reviewer = Agent(MODEL, name="reviewer")
""",
        behind="desk = Agent(MODEL, tools=tools[:-1])  # nobody answers for the server; one is asked below" + _REPLY,
        check=_ANSWERS
        + """
calls = [("find_order", {"number": "o-17"}), ("remind", {"hours": 1}), ("research", {"question": "lamps"}),
         ("reviewer", {"prompt": "look it over"}), ("refund", {"number": "o-17", "cents": 5})]

def answer(asked):
    if asked.prompt == "look it over":
        return Said("fine")
    return [Said(calls=calls), Said(calls=[("write_letter", {"text": "sorry"})])][asked.replies]

with answering(answer) as server:
    run = await torpor.start(reply, "hello")
    asked = await run.waiting_for(hook=True)
    await torpor.resume_hook(asked.name, {"approved": True})
    assert await run.result() == "letter: sorry"
    told = sorted(server.asked[-1].results)
assert told == ["5 for o-17", "fine", "order o-17", "read about lamps", "reminded"], told
""",
    ),
    Presumes(
        PAGE,
        "approve=lambda given",
        before=_DESK,
        instead={"tool(refund": "asking = tool(refund"},
        behind="desk = Agent(MODEL, tools=[asking])" + _REPLY,
        check=_ANSWERS
        + """
calls = [("refund", {"number": "o-1", "cents": 5}), ("refund", {"number": "o-2", "cents": 20_000})]
with answering(lambda asked: Said("done") if asked.replies else Said(calls=calls)) as server:
    run = await torpor.start(reply, "hello")
    await run.waiting_for(hook="refund-o-2")
    await torpor.resume_hook("refund-o-2", {"approved": False, "reason": "too much"})
    assert await run.result() == "done"
    assert sorted(server.asked[-1].results) == ["5 for o-1", "A person refused: too much"]
""",
    ),
    Presumes(
        PAGE,
        "complain(letter",
        before=_DESK + 'lawyer = Agent(MODEL, name="lawyer", output=Answer)',
        behind=_REPLY,
        check=_ANSWERS
        + """
def answer(asked):
    if "complain" in asked.tools:
        return Said(calls=[("complain", {"letter": asked.prompt})])
    return Said(calls=[("final_answer", {"letter": "see you in court"})])

with answering(answer):
    assert await (await torpor.start(reply, "hello")).result() == Answer("see you in court")
""",
    ),
    Presumes(
        PAGE,
        "fork(2)",
        before=_DESK + 'planner = Agent(MODEL, name="planner")\nwriter = Agent(MODEL, name="writer")',
        check=_ANSWERS
        + """
def answer(asked):
    if asked.prompt == "tea":
        return Said("a plan")
    return Said("x" * round(10 * asked.body["temperature"]))

with answering(answer) as server:
    assert await (await torpor.start(draft, "tea")).result() == "x" * 9
    assert [each.prompt for each in server.asked].count("tea") == 1
""",
    ),
    Presumes(
        PAGE,
        '@model("house")',
        before=_DESK,
        instead={'base_url="http://10.0.0.7/v1"': 'base_url=__import__("os").environ["OPENAI_BASE_URL"]'},
        behind="desk = agent" + _REPLY,
        check=_ANSWERS
        + """
with answering(lambda asked: Said(f"{asked.model} speaks")):
    assert await (await torpor.start(reply, "hello")).result() == "qwen3 speaks"
""",
    ),
    Presumes(
        PAGE,
        'files = McpServer("files"',
        before=_DESK + 'TOKEN = "t"',
        instead={'command=["uvx", "some-server"]': LIBRARY},
        behind="desk = Agent(MODEL, tools=[files])" + _REPLY,
        check=_ANSWERS
        + """
calls = [("files_add", {"a": 1, "b": 2})]
with answering(lambda asked: Said(asked.results[0]) if asked.replies else Said(calls=calls)):
    assert await (await torpor.start(reply, "hello")).result() == '{"result": 3}'
assert (docs.name, docs.tools, docs.headers) == ("docs", ["search"], {"authorization": "Bearer t"})
""",
        long=True,  # it starts a server for each question
    ),
    Presumes(
        PAGE,
        "chat_application(app, converse)",
        before=_DESK + "desk = Agent(MODEL)",
        check=_ANSWERS
        + """
import httpx
sent = {"id": "c", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hello"}]}]}
transport = httpx.ASGITransport(web)
with answering(lambda asked: Said("Good morning!")):
    async with httpx.AsyncClient(transport=transport, base_url="http://shop", follow_redirects=True) as http:
        answer = await http.post("/api/chat", json=sent)
assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
assert await torpor.run(answer.headers["x-workflow-run-id"]).result() == "Good morning!"
""",
    ),
    Presumes(
        PAGE,
        "capabilities=[Recorded()]",
        before="""
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel
from torpor import Torpor
app = Torpor("memory://")
agent = Agent(TestModel(custom_output_text="found"))
""",
        behind=_RESEARCH,
        check="""
run = await torpor.start(ask, "tea")
assert await run.result() == "found"
assert [chunk async for chunk in run.stream("journal").chunks()]
""",
    ),
    Presumes(
        PAGE,
        "Runner.run(recorded(agent)",
        before="""
from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI
from torpor import Torpor
app = Torpor("memory://")
set_tracing_disabled(True)
agent = Agent(name="desk")
""",
        behind=_RESEARCH,
        check=_ANSWERS
        + """
with answering(lambda asked: Said("found")) as server:
    async with AsyncOpenAI(max_retries=0) as client:
        agent.model = OpenAIChatCompletionsModel(model="any", openai_client=client)
        run = await torpor.start(ask, "tea")
        assert await run.result() == "found"
assert [chunk async for chunk in run.stream("journal").chunks()]
""",
        long=True,  # it imports all of theirs
    ),
    Presumes(
        PAGE,
        "workers alone have LangGraph",
        before="from typing import Any\nfrom torpor import Torpor\napp = Torpor('memory://')",
        behind=_RESEARCH,
        files={"shop/graphs.py": _GRAPH.replace("LOOKED", "'seen ' + state['question']")},
        check="""
run = await torpor.start(ask, "tea")
assert await run.result() == {"question": "tea", "answer": "seen tea"}
assert [chunk async for chunk in run.stream("langgraph").chunks()]
""",
    ),
    Presumes(
        PAGE,
        "Command(resume=answer)",
        before="from typing import Any\nfrom torpor import Torpor, hook\napp = Torpor('memory://')",
        files={"shop/graphs.py": _GRAPH.replace("LOOKED", "interrupt('may I?')")},
        check="""
run = await torpor.start(approved, "tea")
await run.waiting_for(hook="approve tea")
await torpor.resume_hook("approve tea", "yes")
assert await run.result() == {"question": "tea", "answer": "yes", "ask": []}
""",
    ),
]
