"""Runs: what they are started with, and what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.engine.support import until
from tests.semantics.steps import gates
from tests.semantics.support import HOUR, Stage, kinds, outcome
from torpor import EntityConflictError, RunFailedError, RunHandle
from torpor.attributes import PARENT, ROOT
from torpor.errors import ArgumentError, DeadlineExceededError, LimitExceededError

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _unique(stage: Stage, name: str) -> str:
    return f"{name}-{stage.guest}-{stage.runtime}"


# Names


async def test_idempotent_start(stage: Stage) -> None:
    """A start under a name of one's own happens once, also after the run has ended; other arguments are refused."""
    name, workflow = _unique(stage, "order"), stage.full_name("doubled")
    run = await stage.app.start(workflow, 4, run_id=name)
    assert run.id == name
    assert await outcome(run) == 8
    again = await stage.app.start(workflow, 4, run_id=name, priority=3, deadline="2020-01-01T00:00:00Z")
    assert await outcome(again) == 8
    assert (await again.info()).priority == 0
    with pytest.raises(EntityConflictError, match=name):
        await stage.app.start(workflow, 5, run_id=name)


# Beginning


async def test_start_at_and_after(stage: Stage) -> None:
    """A run that is to start later does nothing before."""
    moment = datetime.fromtimestamp((stage.clock.now() + HOUR) / 1000, UTC)
    workflow = stage.full_name("doubled")
    runs = [await stage.app.start(workflow, 4, at=moment), await stage.app.start(workflow, 4, delay="1h")]
    assert await stage.result("doubled", 2) == 4
    assert [await run.status() for run in runs] == ["pending", "pending"]
    stage.clock.put_forward(HOUR + 1_000)
    assert [await outcome(run) for run in runs] == [8, 8]
    for run in runs:
        info = await run.info()
        assert info.started_at >= info.starts_at > info.created_at


async def test_start_with_options(stage: Stage) -> None:
    """A workflow starts a run under a name of its own, in a queue, later, with priority, deadline and attributes."""
    name = _unique(stage, "child")
    child, again, parent = await stage.result("starting_with_options", name)
    assert child == again == name
    info = await stage.app.run(name).info()
    assert (info.queue, info.priority, info.status) == ("slow", 7, "pending")
    assert HOUR - 60_000 < info.starts_at - info.created_at <= HOUR
    assert info.deadline - info.starts_at == 2 * HOUR
    assert info.attributes == {"customer": name, PARENT: parent, ROOT: parent}
    assert [run.id for run in await stage.app.list_runs(attributes={PARENT: parent})] == [name]
    await stage.app.run(name).cancel()


async def test_start_at_a_moment(stage: Stage) -> None:
    """A workflow says when another run begins; what has passed means at once."""
    late = await stage.result("starting_at", "2099-01-01T00:00:00Z")
    assert (await stage.app.run(late).info()).starts_at == 4_070_908_800_000
    await stage.app.run(late).cancel()
    assert await outcome(stage.app.run(await stage.result("starting_at", "2000-01-01T00:00:00Z"))) == 8


async def test_start_of_a_taken_name(stage: Stage) -> None:
    """A name that another run has with other arguments is refused, catchably."""
    name = _unique(stage, "taken")
    await outcome(await stage.app.start(stage.full_name("doubled"), 4, run_id=name))
    assert await stage.result("starting_a_taken_one", name) == "EntityConflictError"


async def test_start_with_wrong_options(stage: Stage) -> None:
    """Each option that is not what it should be is refused by its name, inside and outside."""
    told = await stage.result("starting_wrongly")
    assert len(told) == 4
    for words, text in zip(("priority", "queue", "soon", "$own"), told, strict=True):
        assert words in text
    for options in ({"priority": 1.5}, {"at": "1h"}, {"at": "2026-11-21", "delay": 1}, {"deadline": "x"}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            await stage.app.start(stage.full_name("doubled"), 4, **options)


# Deadlines


async def test_deadline_of_a_sleeping_run(stage: Stage) -> None:
    """It ends as failed when its deadline passes; the error says so."""
    run = await stage.app.start(stage.full_name("sleeping_for"), "1y", deadline="1h")
    await stage.logged(run, "wait_created")
    stage.clock.put_forward(HOUR)
    with pytest.raises(RunFailedError, match="failed with DEADLINE_EXCEEDED") as failed:
        await outcome(run)
    assert isinstance(failed.value.__cause__, DeadlineExceededError)
    assert failed.value.failure == "DEADLINE_EXCEEDED"


async def test_deadline_of_a_busy_run(stage: Stage) -> None:
    """One that runs steps again and again ends too, and stores nothing afterwards."""
    run = await stage.app.start(stage.full_name("calling_for_ever"), "busy", deadline="1h")
    await stage.logged(run, "step_completed")
    stage.clock.put_forward(HOUR)
    with pytest.raises(RunFailedError, match="DEADLINE_EXCEEDED"):
        await outcome(run)
    assert (await run.events())[-1].type == "run_failed"


async def test_deadline_that_is_kept(stage: Stage) -> None:
    """A run that ends in time has nothing of it."""
    run = await stage.app.start(stage.full_name("doubled"), 4, deadline="1h")
    assert await outcome(run) == 8
    stage.clock.put_forward(HOUR)
    assert await stage.result("doubled", 1) == 2
    assert await run.status() == "completed"


# What is said of a run


async def test_attributes_and_status(stage: Stage) -> None:
    """Workflow code says how its run stands; people find it by that and add to it, and the run is not disturbed."""
    token = _unique(stage, "telling")
    run = await stage.app.start(stage.full_name("telling"), token, attributes={"region": "eu"})
    await stage.logged(run, "hook_created")
    info = await run.info()
    assert info.status_line == "waiting for approval"
    assert info.attributes == {"region": "eu", "customer": token, "note": "brief", "$status": info.status_line}
    found = await stage.app.list_runs(attributes={"customer": token, "region": "eu"}, status="running")
    assert [each.id for each in found] == [run.id]
    await run.set_attributes({"who": "me", "region": None})
    await stage.resume(token)
    assert await outcome(run) == 3
    info = await run.info()
    assert (info.status_line, info.attributes) == ("", {"customer": token, "who": "me", "käse": "€"})
    with pytest.raises(EntityConflictError, match="completed"):
        await run.set_attributes({"late": "x"})


async def test_attributes_have_bounds(stage: Stage) -> None:
    """What is no text, reserved or too long is refused where it is said; the run goes on."""
    run = await stage.start("telling_too_much")
    told = await outcome(run)
    words = ("attributes are", "reserved", "name of an attribute", "'?n'? is a", "257 characters", "258 bytes", "8192")
    assert len(told) == len(words)
    for word, text in zip(words, told, strict=True):
        with pytest.raises(AssertionError, match=word):
            raise AssertionError(text)
    assert list((await run.info()).attributes) == ["n" * 256]
    for wrong, kind in (({"$own": "x"}, ArgumentError), ({"long": "x" * 257}, LimitExceededError)):
        with pytest.raises(kind):
            await run.set_attributes(wrong)


async def test_too_many_attributes(stage: Stage) -> None:
    """More than a run may have fail it, with a code that says so."""
    with pytest.raises(RunFailedError, match="the run would have 66 attributes, the limit is 64") as failed:
        await stage.result("telling_too_many")
    assert failed.value.failure == "LIMIT_EXCEEDED"


async def test_queues(stage: Stage) -> None:
    """A run in a queue is taken by a worker that takes all; so are its steps."""
    run = await stage.app.start(stage.full_name("doubled"), 4, queue="mail", priority=-100)
    assert await outcome(run) == 8

    async def there() -> bool:
        return (await run.info()).queue == "mail"

    assert await until(stage.app, there)


# Pausing


async def _settled(stage: Stage, run: RunHandle) -> list[str]:
    """Return the types of a run's events, once its turn is nobody's and another run has had its turn meanwhile."""

    async def parked() -> bool:
        return not (await stage.app.world.get_run(run.id)).worker

    await until(stage.app, parked)
    assert await stage.result("doubled", 2) == 4
    return [event.type for event in await run.events()]


async def test_pause_a_sleeping_run(stage: Stage) -> None:
    """What arrives is kept and does nothing before the run goes on; then it is there, in its order."""
    token = _unique(stage, "paused")
    run = await stage.start("telling", token)
    await stage.logged(run, "hook_created")
    await run.pause()
    assert (await run.info()).paused
    await stage.resume(token)
    assert (await _settled(stage, run))[-2:] == ["run_paused", "hook_received"]
    await run.unpause()
    assert await outcome(run) == 3


async def test_pause_a_busy_run(stage: Stage) -> None:
    """A run that is awake takes nothing more and begins no step, also when its timers pass; it goes on where it was."""
    run = await stage.start("calling_for_ever", _unique(stage, "busy"))
    await stage.logged(run, "step_completed")
    await run.pause()
    told = await _settled(stage, run)
    assert set(told[told.index("run_paused") + 1 :]) <= {"step_completed"}
    stage.clock.put_forward(HOUR)
    assert await _settled(stage, run) == told
    await run.unpause()
    await stage.logged(run, "step_completed", told.count("step_completed") + 2)
    await run.cancel()


async def test_pause_while_a_step_runs(stage: Stage) -> None:
    """The step ends and is recorded once, although the run is paused; its result is there when the run goes on."""
    name = _unique(stage, "gate")
    run = await stage.start("passing_a_gate", name)
    await gates[name].reached.wait()
    await run.pause()
    gates[name].open.set()
    await stage.logged(run, "step_completed")
    assert (await _settled(stage, run))[-1] == "step_completed"
    await run.unpause()
    assert await outcome(run) == name
    assert (await kinds(run))["step_completed"] == 1


async def test_pause_before_the_beginning(stage: Stage) -> None:
    """A run that has not begun does not begin."""
    run = await stage.app.start(stage.full_name("doubled"), 4, delay="1h")
    await run.pause()
    stage.clock.put_forward(HOUR + 1_000)
    assert await _settled(stage, run) == ["run_created", "run_paused"]
    await run.unpause()
    assert await outcome(run) == 8


async def test_wake_up(stage: Stage) -> None:
    """A sleep for a year ends at once when somebody says so; a timer that is named, and no other."""
    run = await stage.start("sleeping_for", "1y")
    await stage.logged(run, "wait_created")
    (timer,) = (await run.info()).waits_for
    assert await run.wake_up(["wait_unknown"]) == []
    assert await run.wake_up([timer.id]) == [timer.id]
    assert await outcome(run) == "awake"
    with pytest.raises(EntityConflictError, match="completed"):
        await run.wake_up()


async def test_wake_up_a_timeout(stage: Stage) -> None:
    """What waits with a timeout times out at once."""
    run = await stage.start("ending_a_timeout", _unique(stage, "timeout"))
    await stage.logged(run, "wait_created")
    assert len(await run.wake_up()) == 1
    assert await outcome(run) == "timed out"
