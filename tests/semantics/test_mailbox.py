"""The mailbox: messages that a run keeps until its code receives them."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.engine.support import until
from tests.semantics.support import Stage, kinds, outcome
from torpor import RunCancelledError, RunEndedError, RunFailedError, RunHandle, RunNotFoundError, UsageError
from torpor.cli.runs import awaited_text

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A token that no other test has."""
    return str(request.node.name)


async def _asleep(stage: Stage, run: RunHandle, name: str) -> None:
    """Return once a run sleeps and waits in a mailbox."""

    async def waits() -> bool:
        stored = await stage.app.world.get_run(run.id)
        return name in stored.receiving and not stored.worker and stored.ready_at is None

    assert await until(stage.app, waits)


async def test_mailbox_before_anybody_waits(stage: Stage, token: str) -> None:
    """Messages that come before the code receives any are kept, and taken in the order in which they were sent."""
    run = await stage.start("mailbox_takes_late", token, 5)
    for n in range(5):
        await stage.app.send(run, "work", {"n": n})
    await stage.resume(token)
    assert await outcome(run) == [{"n": n} for n in range(5)]
    info = await run.info()
    assert (info.sent, info.unreceived) == (5, 0)


async def test_mailbox_of_a_run_that_sleeps(stage: Stage) -> None:
    """A run that waits for a message says so, sleeps, and is woken by each."""
    run = await stage.start("mailbox_in_order", 3)
    for n in range(3):
        await _asleep(stage, run, "work")
        assert [awaited_text(awaited) for awaited in (await run.info()).waits_for] == ["message work"]
        await run.send("work", n)
    assert await outcome(run) == [0, 1, 2]
    assert (await run.info()).waits_for == ()


async def test_mailbox_of_a_run_that_has_not_begun(stage: Stage) -> None:
    """What is sent to a run in the moment of its creation is there when it begins."""
    run = await stage.start("mailbox_in_order", 2)
    await asyncio.gather(stage.app.send(run.id, "work", "a", id="1"), stage.app.send(run.id, "work", "a", id="2"))
    assert await outcome(run) == ["a", "a"]


async def test_mailbox_of_two_names(stage: Stage) -> None:
    """Each mailbox has an order of its own; steps and sleeps in between change nothing."""
    run = await stage.start("mailbox_of_two_names")
    for name, value in (("left", 1), ("left", 2), ("right", 10), ("right", 20)):
        await stage.app.send(run, name, value)
    assert await outcome(run) == [11, 20, 2]


async def test_mailbox_times_out(stage: Stage) -> None:
    """A call that timed out or was cancelled has taken no message: the next calls get all of them in order."""
    run = await stage.start("mailbox_times_out")
    await _asleep(stage, run, "go")
    for value in ("first", "second"):
        await stage.app.send(run, "late", value)
    await stage.app.send(run, "go")
    assert await outcome(run) == [["TimeoutError"] * 3 + ["given up"], "first", "second"]


async def test_mailbox_is_idempotent(stage: Stage, token: str) -> None:
    """A message is received once however often it is sent under its id; a repetition succeeds, also past the end."""
    run = await stage.start("mailbox_takes_late", token, 2)
    for _ in range(3):
        await stage.app.send(run, "work", "once", id="m-1")
    await stage.app.send(run, "work", "other", id="m-2")
    await stage.resume(token)
    assert await outcome(run) == ["once", "other"]
    assert (await kinds(run))["message_sent"] == 2
    await stage.app.send(run, "work", "once", id="m-1")


async def test_mailbox_of_a_run_that_has_ended(stage: Stage) -> None:
    """Whoever sends to it is told so; messages that it never received are counted."""
    run = await stage.start("mailbox_left_behind", 1)
    for name in ("other", "other", "work"):
        await stage.app.send(run, name)
    assert await outcome(run) == "enough"
    with pytest.raises(RunEndedError, match="completed"):
        await stage.app.send(run, "work")
    info = await run.info()
    assert (info.sent, info.unreceived) == (3, 2)


async def test_mailbox_of_a_cancelled_run(stage: Stage) -> None:
    """What nobody received before a cancellation is counted, and told by inspect."""
    run = await stage.start("mailbox_in_order", 3)
    await _asleep(stage, run, "work")
    for name in ("other", "work", "other"):
        await stage.app.send(run, name, name)

    async def one_is_received() -> bool:
        return (await run.info()).unreceived == 2

    assert await until(stage.app, one_is_received)
    await run.cancel()
    with pytest.raises(RunCancelledError):
        await outcome(run)
    with pytest.raises(RunEndedError, match="cancelled"):
        await stage.app.send(run, "work")
    assert (await run.info()).unreceived == 2


async def test_mailbox_between_runs(stage: Stage) -> None:
    """A run sends to its child, and the child to it."""
    run = await stage.start("mailbox_between_runs")
    assert await outcome(run) == [3, 7, "done"]


async def test_mailbox_among_others(stage: Stage, token: str) -> None:
    """Messages that come while the run works, sleeps and loses its snapshot are all received, once and in order."""
    dice = random.Random(token)
    run = await stage.start("mailbox_among_others")
    for n in range(60):
        await stage.app.send(run, "work", n)
        if dice.random() < 0.3:
            # Bursts and pauses of random length are the point here; nothing is expected of their timing.
            await asyncio.sleep(dice.random() * 0.01)
        if stage.runtime == "snapshot" and dice.random() < 0.1:
            await stage.app.world.delete_snapshot(run.id)
    await stage.app.send(run, "work", "stop")
    assert await outcome(run) == list(range(60))


async def test_mailbox_typed(stage: Stage) -> None:
    """A message that does not fit is told to who receives it, and is received: the next one is another."""
    run = await stage.start("mailbox_typed")
    for number in (1, 1.5, 2):
        await stage.app.send(run, "number", number)
    javascript = "message number: the payload does not fit its schema: 1.5 is not whole"
    python = "message 'number' was to be int: it: expected int, found float 1.5 (it is no whole number)"
    assert await outcome(run) == [1, python if stage.speaks_python else javascript, 2]


async def test_mailbox_with_bad_names(stage: Stage) -> None:
    """A name that is none fails who sends, and who receives."""
    with pytest.raises(UsageError, match="a mailbox has 257 characters"):
        await stage.app.send("any", "x" * 257)
    with pytest.raises(RunNotFoundError):
        await stage.app.send("nobody", "work")
    run = await stage.start("mailbox_with_bad_name", "")
    with pytest.raises(RunFailedError, match="the name has 0 characters"):
        await outcome(run)
