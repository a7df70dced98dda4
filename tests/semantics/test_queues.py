"""Queues with limits, for runs and for steps, in both languages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.engine.support import TIMEOUT, until
from tests.semantics.steps import gates
from tests.semantics.support import HOUR, Stage, outcome
from torpor import RunHandle
from torpor.errors import ConfigurationError
from torpor.inspection.reading import Reader
from torpor.queues import limits_text

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def forgotten(stage: Stage) -> AsyncIterator[None]:
    """Take away the limits that a test has set."""
    yield
    for info in await stage.app.queues.list():
        await stage.app.queues.delete(info.name)


async def test_steps_keep_to_their_limit(stage: Stage) -> None:
    """Whoever asks for them, whatever the number of runs: bodies are counted while they run."""
    await stage.app.queues.set("counted", concurrency=2)
    runs = [await stage.start("many_counted", "one", 5) for _ in range(2)]
    assert [await outcome(run) for run in runs] == [2, 2]
    assert [(info.waiting, info.held) for info in await stage.app.queues.list()] == [(0, 0)]


async def test_each_key_has_a_limit_of_its_own(stage: Stage) -> None:
    """And none waits for another."""
    await stage.app.queues.set("counted", per_key=1)
    runs = [await stage.start("many_counted", key, 3) for key in ("anna", "bert")]
    assert [await outcome(run) for run in runs] == [1, 1]


async def test_steps_without_limits_wait_for_nothing(stage: Stage) -> None:
    """They are tasks like others."""
    assert await stage.result("many_counted", "free", 4) >= 1


async def test_what_steps_weigh_keeps_to_the_rate(stage: Stage) -> None:
    """What is known before, less what is told after; the next one waits for the time that the world tells."""
    await stage.app.queues.set("weighed", rate="100/h")
    run = await stage.start("weighing", [80, 60, 60])
    await stage.logged(run, "step_completed", 2)

    async def waits() -> bool:
        return (await stage.app.queues.get("weighed")).waiting == 1

    await until(stage.app, waits)
    info = await stage.app.queues.get("weighed")
    assert (info.held, limits_text(info.limits)) == (0, "100/h")
    stage.clock.put_forward(2 * 3_600_000)
    assert await outcome(run) == [80, 60, 60]


async def test_runs_wait_for_a_slot(stage: Stage) -> None:
    """A run in a queue holds one while it sleeps; who waits is told its place, and follows at an end."""
    await stage.app.queues.set("mail", concurrency=1)
    token = f"mail-{stage.guest}-{stage.runtime}"
    first, second, third = [await _start(stage, f"{token}-{n}") for n in range(3)]
    await stage.logged(first, "hook_created")
    place = (await Reader(stage.app.client).details(third.id)).place
    assert place is not None
    assert (place.name, place.ahead, place.limits) == ("mail", 1, "1 at once")
    assert (await stage.app.queues.get("mail")).waiting == 2
    await stage.resume(f"{token}-0", "done")
    assert await outcome(first) == "done"
    await stage.logged(second, "hook_created")
    await stage.app.cancel([second.id])
    await stage.resume(f"{token}-2", "last")
    assert await outcome(third) == "last"


async def test_runs_may_give_their_slot_back_while_they_sleep(stage: Stage) -> None:
    """Then all of them get as far as to wait for the outside."""
    await stage.app.queues.set("mail", concurrency=1, asleep="give_back")
    token = f"lent-{stage.guest}-{stage.runtime}"
    runs = [await _start(stage, f"{token}-{n}") for n in range(3)]
    for run in runs:
        await stage.logged(run, "hook_created")
    for n, run in enumerate(runs):
        await stage.resume(f"{token}-{n}", n)
        assert await outcome(run) == str(n)


async def test_limits_may_change_at_any_time(stage: Stage) -> None:
    """What waits begins when there is more room, at once."""
    await stage.app.queues.set("mail", concurrency=1)
    token = f"more-{stage.guest}-{stage.runtime}"
    runs = [await _start(stage, f"{token}-{n}") for n in range(3)]
    await stage.logged(runs[0], "hook_created")
    assert (await stage.app.queues.get("mail")).held == 1
    await stage.app.queues.set("mail", concurrency=3)
    for run in runs:
        await stage.logged(run, "hook_created")
    await stage.app.cancel([run.id for run in runs])


async def test_workflow_code_starts_runs_in_queues(stage: Stage) -> None:
    """With a key."""
    await stage.app.queues.set("mail", per_key=1)
    token = f"child-{stage.guest}-{stage.runtime}"
    ids = [await stage.result("starts_in_a_queue", f"{token}-{n}", "mail", "anna") for n in range(2)]
    first, second = (stage.app.run(run_id) for run_id in ids)
    await stage.logged(first, "hook_created")
    assert (await stage.app.world.get_run(second.id)).slot == "waits"
    await stage.resume(f"{token}-0", "one")
    await stage.resume(f"{token}-1", "two")
    assert [await outcome(first), await outcome(second)] == ["one", "two"]


async def test_limits_that_make_no_sense_are_refused(stage: Stage) -> None:
    """With what to write."""
    for options, words in (
        ({"rate": "fast"}, "write it like '10/s'"),
        ({"rate": "10/x"}, "is no rate"),
        ({"concurrency": -5}, "concurrency=-5"),
        ({"asleep": "maybe"}, "there are hold and give_back"),
    ):
        wrong: dict[str, Any] = options
        with pytest.raises(ConfigurationError, match=words):
            await stage.app.queues.set("mail", **wrong)


async def _start(stage: Stage, token: str) -> RunHandle[Any]:
    """Start a run that holds its slot until its hook is resumed."""
    return await stage.app.start(stage.full_name("waits_in_a_queue"), token, queue="mail")


async def test_a_step_that_waits_too_long_fails(stage: Stage) -> None:
    """By the world's clock, while the one before it still has the slot; the workflow is told which deadline it was."""
    await stage.app.queues.set("narrow", concurrency=1)
    gate = f"narrow-{stage.guest}-{stage.runtime}"
    run = await stage.start("waits_too_long", gate)
    await asyncio.wait_for(gates[gate].reached.wait(), TIMEOUT)
    stage.clock.put_forward(HOUR)
    (failed,) = await stage.logged(run, "step_failed")
    assert failed.ref == "start"
    history = await Reader(stage.app.client).history(run.id, limit=10)
    assert [step.error and step.error["name"] for step in history.steps.values()].count("StepError") == 1
    gates[gate].open.set()
    one, other = sorted(await outcome(run))
    assert other == gate
    assert re.match(
        r"0 ScheduleToStartTimeoutError step step//\./queued_steps\.py//narrow failed after 0 attempts: "
        r"ScheduleToStartTimeoutError: no worker began it by \S+Z, its schedule_to_start \(catch StepError",
        one,
    )
