"""Graphs of LangGraph in a step: nodes that were done before a crash do not run again, and interrupts wait in hooks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.agents_room import graph_flows as flows
from tests.agents_room import graphs
from torpor.errors import RunFailedError, UsageError
from torpor.integrations.langgraph import STREAM, recorded
from torpor.testing import Testbed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed() -> AsyncIterator[Testbed]:
    """Open the application once for all tests."""
    async with Testbed(flows.app, timeout=30) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    for each in (graphs.calls, graphs.dies, graphs.reached):
        each.clear()


DONE_ONCE = ["look x a", "look x b", "plan", "write"]


async def test_an_attempt_goes_on_where_the_one_before_died(bed: Testbed) -> None:
    """Two attempts die: one beside a node that was done, one between two supersteps."""
    graphs.dies.update({"look x b": 1, "write": 1})
    run = await bed.start(flows.research, "x")
    assert (await run.result())["text"] == "plan x a x b"
    assert sorted(graphs.calls) == DONE_ONCE
    assert {chunk.attempt async for chunk in run.stream(STREAM).chunks()} == {1, 2, 3}


async def test_a_graph_on_a_thread_goes_on_too(bed: Testbed) -> None:
    """A ``def`` step uses the graph's blocking calls; it sees again only what was not done."""
    graphs.dies["write"] = 1
    assert await (await bed.start(flows.research, "x", "thread")).result() == ["write"]
    assert sorted(graphs.calls) == DONE_ONCE


async def test_a_graph_within_a_graph_goes_on_too(bed: Testbed) -> None:
    """What the inner one has done is kept as well."""
    graphs.dies["write"] = 1
    run = await bed.start(flows.research, "x", "within")
    assert (await run.result())["verdicts"] == ["plan x a x b"]
    assert sorted(graphs.calls) == ["close", *DONE_ONCE]


async def test_another_worker_goes_on(bed: Testbed) -> None:
    """A worker is killed while a node runs; the nodes before it do not run again."""
    graphs.dies["close"] = 1
    run = await bed.start(flows.research, "x", "within")
    await graphs.hanging.wait()
    await bed.kill_worker()
    assert (await run.result())["verdicts"] == ["plan x a x b"]
    assert sorted(graphs.calls) == ["close", *DONE_ONCE]


@pytest.mark.parametrize("dying", [{}, {"behind None": 1, "behind yes": 1, "behind no": 1}, {"write": 1}])
async def test_an_interrupt_waits_in_a_hook(bed: Testbed, dying: dict[str, int]) -> None:
    """The run sleeps while a person thinks; an answer is given to its question, however often a step is tried."""
    graphs.dies.update(dying)
    run = await bed.start(flows.approved, str(dying))
    for question, answer in (("send it?", "yes"), ("to all?", "no")):
        await run.waiting_for(hook=f"{dying} {question}")
        await bed.resume_hook(f"{dying} {question}", answer)
    state = await run.result()
    assert state == {"ask": [], "topic": "news", "found": ["plan"], "verdicts": ["yes", "no"], "text": "plan"}
    assert graphs.calls == ["plan", "ask yes no", "write"]


@pytest.mark.parametrize("place", ["poll sun", "poll moon", "neither"])
async def test_answers_to_several_interrupts_are_not_lost(bed: Testbed, place: str) -> None:
    """One node was done and the other not: the next attempt answers the other, and does not ask again."""
    graphs.dies[place] = 1
    state = await (await bed.start(flows.polled)).result()
    assert state["ask"] == {}
    assert state["verdicts"] == ["sun is sun", "moon is moon"]
    assert sorted(graphs.calls) == ["poll moon is moon", "poll sun is sun"]


@pytest.mark.parametrize(("how", "why"), [("twice", "a second time"), ("blocking", "await ainvoke")])
async def test_what_cannot_work_is_refused(bed: Testbed, how: str, why: str) -> None:
    """A second call would not know how far it was; a blocking one would wait for itself."""
    with pytest.raises(RunFailedError, match=why):
        await (await bed.start(flows.mistaken, how)).result()


async def test_it_takes_a_step() -> None:
    """Outside of one nothing could be kept."""
    with pytest.raises(UsageError, match="outside a step"):
        recorded(graphs.researching)
