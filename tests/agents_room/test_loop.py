"""What an agent does with what its model says: a real loop in the VM, a real server, the real library between them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from tests.agents_room.flows import Finding, Report
from torpor import RunFailedError
from torpor.agents import BudgetExceededError, OutputError, Prompt, Reply, ToolResult, Usage
from torpor.model import RunFilter
from torpor.testing import Testbed
from torpor.testing.model_server import Said

AGAIN = "Give your answer by calling final_answer."
pytestmark = pytest.mark.asyncio(loop_scope="session")

GOOD = {"topic": "tea", "findings": [{"title": "t", "pages": 3}]}


async def test_a_report(bed: Testbed, model: Model) -> None:
    """A step is described and called, an answer of another form is refused and told why, and the next one is kept."""
    model.says(
        "tea",
        Said(calls=[("search", {"query": "tea", "most": 1})]),
        Said(calls=[("final_answer", {**GOOD, "findings": [{"title": "t", "pages": "many"}]})]),
        Said("Here you are."),
    )
    model.says(AGAIN, Said(calls=[("final_answer", GOOD)]))
    result = await (await bed.start(flows.report, "tea")).result()
    assert result.output == Report("tea", [Finding(title="t", pages=3)])
    assert result.usage == Usage(requests=4, input_tokens=40, output_tokens=20, tool_calls=1)

    first, _, third, fourth = model.asked("tea") + model.asked(AGAIN)
    search, answer = (each["function"] for each in first.body["tools"])
    assert search["description"] == "Search the library."
    assert search["parameters"]["properties"] == {
        "query": {"type": "string", "description": "words that are looked for."},
        "most": {"type": "integer", "description": "how many titles.", "default": 2},
    }
    assert set(answer["parameters"]["properties"]) == {"topic", "findings", "grade"}
    assert first.messages[0] == {"role": "system", "content": "Be brief."}
    assert "findings[0].pages" in third.results[0]
    assert fourth.messages[-1]["content"] == AGAIN


async def test_an_answer_that_never_fits(bed: Testbed, model: Model) -> None:
    """The run fails, with what was wrong last."""
    model.says("numbers", Said(calls=[("final_answer", {"value": [1, "two"]})]))
    with pytest.raises(RunFailedError) as failed:
        await (await bed.start(flows.count, "numbers")).result()
    assert isinstance(failed.value.__cause__, OutputError)
    assert "gave no list[int] in 3 attempts: the answer[1]: expected int" in str(failed.value.__cause__)
    assert len(model.asked("numbers")) == 3


async def test_what_becomes_of_calls(bed: Testbed, model: Model) -> None:
    """Calls of one answer go on at once; what goes wrong is told to the model, each beside its own call."""
    calls: list[tuple[str, dict[str, Any] | str]] = [
        ("search", {"query": "ink"}),
        ("explode", {"what": "bridge"}),
        ("nap", {"hours": 24}),
        ("nap", {"hours": "many"}),
        ("search", "{not json"),
        ("nothing", {}),
        ("talker", {"prompt": "sub-question"}),
        ("write", {"topic": "ink", "pages": 2}),
    ]
    model.says("calls", Said(calls=calls), Said("done"))
    model.says("sub-question", Said("sub-answer", tokens=(100, 100)))
    model.says("write ink, 2 pages", Said("Ink is wet."))
    began = bed.now()
    run = await bed.start(flows.work, "calls")
    result = await run.result()
    assert bed.now() - began < timedelta(hours=25)
    assert result.output == "done"
    told = [each for each in result.messages if isinstance(each, ToolResult)]
    assert [each.outcome for each in told] == ["success", "failed", "success", *["failed"] * 3, "success", "success"]
    assert [each.content for each in told][:3] == [["ink 0", "ink 1"], "KeyError: 'bridge'", "slept 24.0 h"]
    assert "parameter 'hours'" in told[3].content or "hours" in told[3].content
    assert told[4].content == "ArgumentError: tool search: the arguments are no JSON object: {not json"
    assert told[5].content == "there is no tool nothing; there are search, explode, nap, talker, write"
    assert [each.content for each in told][6:] == ["sub-answer", "Ink is wet."]
    assert result.usage == Usage(requests=3, input_tokens=120, output_tokens=110, tool_calls=8)
    children = [each for each in await bed.world.list_runs(RunFilter(limit=5)) if each.parent == run.id]
    assert [each.status for each in children] == ["completed"]


async def test_a_conversation_goes_on(bed: Testbed, model: Model) -> None:
    """Messages are values: they are returned, passed to another run, and sent to the model again."""
    model.says("one", Said("first"))
    model.says("two", Said("second"))
    model.says("three", Said("third"))
    said = await (await bed.start(flows.talk, ["one", "two"], [])).result()
    assert [each.text for each in said if isinstance(each, Prompt | Reply)] == ["one", "first", "two", "second"]
    said = await (await bed.start(flows.talk, ["three"], said)).result()
    assert [each.text for each in said if isinstance(each, Reply)] == ["first", "second", "third"]
    (last,) = model.asked("three")
    assert [each["content"] for each in last.messages] == ["one", "first", "two", "second", "three"]


@pytest.mark.parametrize(
    ("limits", "what"),
    [({"requests": 2}, "requests"), ({"tokens": 25}, "tokens"), ({"tool_calls": 1}, "tool_calls")],
)
async def test_budgets(bed: Testbed, model: Model, limits: dict[str, int], what: str) -> None:
    """An agent that has used what it may use asks for nothing more."""
    prompt = f"spend {what}"
    model.says(prompt, Said(calls=[("search", {"query": "x"})]))
    with pytest.raises(RunFailedError) as failed:
        await (await bed.start(flows.spend, prompt, limits)).result()
    cause = failed.value.__cause__
    assert isinstance(cause, BudgetExceededError)
    assert (cause.agent, cause.what, cause.limit) == ("busy", what, limits[what])
    assert len(model.asked(prompt)) == 2


async def test_inner_agents_spend_what_outer_ones_have(bed: Testbed, model: Model) -> None:
    """What an agent's agents use is the agent's; theirs is the last word, whatever the model would make of it."""
    model.says("outer", Said(calls=[("talker", {"prompt": "inner"})]))
    model.says("inner", Said("dear", tokens=(500, 500)))
    with pytest.raises(RunFailedError, match="agent busy has used 1015 tokens of 1000"):
        await (await bed.start(flows.spend, "outer", {"tokens": 1000})).result()


async def test_approval(bed: Testbed, model: Model) -> None:
    """A call waits for a person, who may change it or refuse it; nobody's word in time is a refusal."""
    flows.sent.clear()
    letters = [("send", {"to": to, "text": "hi"}) for to in ("me", "Ann", "Bob", "Cleo")]
    model.says("letters", Said(calls=letters), Said("done"))
    run = await bed.start(flows.correspond, "letters")
    await run.waiting_for(hook="letter to Cleo")
    asked = await bed.app.get_hook("letter to Ann")
    assert asked.metadata == {
        "agent": "agent",
        "tool": "send",
        "call": "call_1_1",
        "arguments": {"to": "Ann", "text": "hi"},
    }
    await bed.resume_hook("letter to Ann", {"approved": True, "arguments": {"to": "Ann", "text": "hello"}})
    await bed.resume_hook("letter to Bob", {"approved": False, "reason": "not him"})
    result = await run.result()
    assert sorted(flows.sent) == ["Ann: hello", "me: hi"]
    told = {each.id: (each.outcome, each.content) for each in result.messages if isinstance(each, ToolResult)}
    assert told == {
        "call_1_0": ("success", "sent"),
        "call_1_1": ("success", "sent"),
        "call_1_2": ("denied", "A person refused: not him"),
        "call_1_3": ("denied", "A person refused: nobody decided in time"),
    }


async def test_handing_over(bed: Testbed, model: Model) -> None:
    """A tool that ends an agent's work answers in its place, here as a run of its own."""
    model.says("over to you", Said(calls=[("write", {"topic": "tea"})]))
    model.says("write tea, 1 pages", Said("Tea is hot."))
    result = await (await bed.start(flows.hand_over, "over to you")).result()
    assert result.output == "Tea is hot."
    assert len(model.asked("over to you")) == 1


async def test_the_best_of_some(bed: Testbed, model: Model) -> None:
    """What was said before a fork is paid for once; the continuations go on from it, and the best one is kept."""
    model.says("plan", Said("the plan"))
    for index, text in enumerate(("short", "the longest of all", "longer")):
        model.says(f"try {index}", Said(text))
    assert await (await bed.start(flows.best, "plan")).result() == "the longest of all"
    assert len(model.asked("plan")) == 1
    assert [len(model.asked(f"try {index}")) for index in range(3)] == [1, 1, 1]


async def test_a_replay_asks_nothing_again(bed: Testbed, model: Model) -> None:
    """A run that is rebuilt from its log has the answers that are in it."""
    model.says("again", Said(calls=[("nap", {"hours": 1}), ("search", {"query": "x"})]), Said("rested"))
    assert (await (await bed.start(flows.work, "again", runtime="replay")).result()).output == "rested"
    assert len(model.asked("again")) == 2
