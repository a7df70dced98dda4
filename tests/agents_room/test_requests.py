"""One request to a model as a step: what is tried again and when, what is not, and what a run's stream is told."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from torpor import RunFailedError, StepError
from torpor.agents import ModelError, Prompt
from torpor.agents.messages import ModelRequest
from torpor.agents.steps import AgentSteps
from torpor.authority import Authority
from torpor.errors import NotAllowedError
from torpor.testing import Testbed
from torpor.testing.model_server import Asked, ModelServer, Said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_too_many_requests(bed: Testbed, model: Model) -> None:
    """A provider that asks for time gets it; each attempt is one request, under one key."""
    model.says("later", Said(status=429, text="slow down", headers={"retry-after": "3600"}), Said("now"))
    began = bed.now()
    said = await (await bed.start(flows.talk, ["later"], [])).result()
    assert said[-1].text == "now"
    assert timedelta(hours=1) <= bed.now() - began < timedelta(hours=2)
    keys = [each.headers["idempotency-key"] for each in model.asked("later")]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_a_refusal(bed: Testbed, model: Model) -> None:
    """What would be refused again is not asked for again; the error says which model, and the provider's status."""
    model.says("forbidden", Said(status=401, text="wrong key"))
    with pytest.raises(RunFailedError) as failed:
        await (await bed.start(flows.talk, ["forbidden"], [])).result()
    cause = failed.value.__cause__
    assert isinstance(cause, ModelError)
    assert (cause.model, cause.status) == (flows.MODEL, 401)
    assert len(model.asked("forbidden")) == 1


async def test_a_server_that_never_works(bed: Testbed, model: Model) -> None:
    """After six attempts the workflow is told, and may do something else."""
    model.says("broken", Said(status=503, text="overloaded"))
    with pytest.raises(RunFailedError) as failed:
        await (await bed.start(flows.talk, ["broken"], [])).result()
    assert isinstance(failed.value.__cause__, StepError)
    assert len(model.asked("broken")) == 6


async def test_a_stream(bed: Testbed, model: Model) -> None:
    """The run's stream has words as they come, calls, what became of them, and the end."""
    model.says(
        "news", Said("Let me see.", calls=[("search", {"query": "x"}), ("explode", {"what": "y"})]), Said("Found.")
    )
    run = await bed.start(flows.stream_work, "news")
    chunks = [each async for each in run.stream("news")]
    assert await run.result() == "Found."
    assert [each["type"] for each in chunks] == [
        "start",
        "start-step",
        *["text-start", "text-delta", "text-delta", "text-end"],
        *["tool-input-available"] * 2,
        "finish-step",
        *["tool-output-available", "tool-output-error"],
        "start-step",
        *["text-start", "text-delta", "text-end"],
        "finish-step",
        "finish",
    ]
    assert "".join(each["delta"] for each in chunks if each["type"] == "text-delta") == "Let me see.Found."
    assert chunks[9]["output"] == ["x 0", "x 1"]
    assert chunks[10]["errorText"] == "KeyError: 'y'"
    assert all(each.body["stream"] for each in model.asked("news"))


async def test_words_come_before_the_answer_is_there(bed: Testbed, model: Model) -> None:
    """A reader has the first words while the model still speaks."""
    hold = threading.Event()
    model.says("slowly", Said("A long answer.", hold=hold))
    run = await bed.start(flows.talk, ["slowly"], [], "")
    async for chunk in run.stream():
        if chunk["type"] == "text-delta":
            assert await run.status() == "running"
            hold.set()
    assert (await run.result())[-1].text == "A long answer."


async def test_a_stream_that_breaks(bed: Testbed, model: Model) -> None:
    """A connection that is lost halfway is another attempt; who reads only what counts reads the second one."""
    model.says("cut", Said("A long answer that breaks.", cut=True), Said("A whole one."))
    run = await bed.start(flows.talk, ["cut"], [], "")
    assert (await run.result())[-1].text == "A whole one."
    kept = [each["delta"] async for each in run.stream(attempts="last") if each["type"] == "text-delta"]
    assert "".join(kept) == "A whole one."
    assert len(model.asked("cut")) == 2


async def test_a_server_that_goes_and_comes_back(bed: Testbed) -> None:
    """While nothing answers, attempts fail and the workflow is told; what was answered is not asked for again."""
    asked: list[str] = []

    def answer(request: Asked) -> Said:
        asked.append(request.prompt)
        return Said(f"to {request.prompt}")

    with ModelServer(answer) as first:
        flows.elsewhere["url"] = first.url
        run = await bed.start(flows.interview, "before", "after")
        await run.waiting_for(hook="the server is gone")
    await bed.resume_hook("the server is gone")
    await run.waiting_for(hook="the server is back")
    with ModelServer(answer, port=first.port):
        await bed.resume_hook("the server is back")
        assert await run.result() == ["to before", "to after"]
    assert asked == ["before", "after"]


async def test_models_that_are_not_allowed() -> None:
    """An application that names models refuses all others, whatever workflow code asks for."""
    authority = Authority(["model//openai-chat:cheap-*"])
    request = ModelRequest(flows.MODEL, [Prompt("hi")])
    with pytest.raises(NotAllowedError, match="let the application allow it"):
        await AgentSteps(authority).model(request)
    assert authority.allows_model("openai-chat:cheap-1")
