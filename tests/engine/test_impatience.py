"""A turn waits long for its steps, with its VM hot, unless something has come for its run or others need its place."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.application import app as application
from tests.engine.odd_steps import gates
from tests.engine.support import PATIENCE
from torpor import Torpor, WorkerSettings
from torpor.engine.impatience import Impatience
from torpor.engine.observer import Observation, TurnEnded
from torpor.engine.settings import TurnOptions
from torpor.model import Notice

PATIENT = WorkerSettings(turns=2, grace_seconds=0.2, turn=TurnOptions(inline_ms=600_000))


def patient(url: str) -> Torpor:
    """Return an application whose turns wait for ten minutes unless they are hurried."""
    return application.on(url, settings=PATIENT)


async def test_a_payload_does_not_wait_for_a_step(url: str) -> None:
    """The run gets it while its step goes on."""
    app = patient(url)
    async with app, app.worker():
        run = await app.start("racesPayload", "impatient")
        await gates[run.id].reached()
        await app.resume_hook("impatient", "payload", wait=PATIENCE)
        assert await run.result(timeout=PATIENCE) == "payload"
        gates[run.id].open.set()


async def test_a_cancelled_run_does_not_wait_for_its_step(url: str) -> None:
    """It ends, and so does the attempt."""
    app = patient(url)
    async with app, app.worker():
        run = await app.start("isHeld")
        await gates[run.id].reached()
        await run.cancel()
        await asyncio.wait_for(app.client.wait_ended(run.id), PATIENCE)
        assert await run.status() == "cancelled"


async def test_others_get_the_place_of_runs_that_wait(url: str) -> None:
    """Two turns wait for steps, and there are places for two: the third run has one soon."""
    app = patient(url)
    async with app, app.worker():
        held = [await app.start("isHeld") for _ in range(2)]
        for run in held:
            await gates[run.id].reached()
        assert await (await app.start("addTen", 1)).result(timeout=PATIENCE) == 11
        for run in held:
            gates[run.id].open.set()
            assert await run.result(timeout=PATIENCE) == "done"


async def test_a_turn_whose_step_ends_in_time_never_parks(url: str) -> None:
    """It costs what a short step costs."""
    app = patient(url)
    ends: list[str] = []

    def observe(observation: Observation) -> None:
        """Note how turns end."""
        if isinstance(observation, TurnEnded):
            ends.append(observation.how)

    async with app, app.worker(observers=[observe]) as worker:
        assert await (await app.start("napsTogether", 2, 100)).result(timeout=PATIENCE) == [1, 1]
        await worker.wait_idle(timeout=PATIENCE)
    assert ends == ["ended"]


@pytest.mark.parametrize(
    ("notice", "hurried"),
    [
        (Notice("wrun_1", work=True), ["wrun_1"]),
        (Notice("wrun_2", cancelling=True), ["wrun_2"]),
        (Notice(None, work=True), ["wrun_1", "wrun_2"]),
        (Notice("wrun_3", work=True, ended=True), ["wrun_1", "wrun_2"]),
        (Notice("wrun_3", work=True), []),
        (Notice("wrun_1", written=True), []),
    ],
)
def test_whom_a_notice_hurries(notice: Notice, hurried: list[str]) -> None:
    """Those whose runs may have got something: a run that has ended may have woken any other."""
    told: list[str] = []
    impatience = Impatience()
    for run_id in ("wrun_1", "wrun_2"):
        impatience.add(run_id, lambda run_id=run_id: told.append(run_id))  # type: ignore[misc]  # the loop's run
    impatience.notice(notice)
    assert told == hurried


def test_a_turn_that_is_over_is_not_hurried() -> None:
    """Nor does its end take away the next turn of the same run."""
    told: list[int] = []
    first, second = (lambda: told.append(1)), (lambda: told.append(2))
    impatience = Impatience()
    impatience.add("wrun_1", first)
    impatience.add("wrun_1", second)
    impatience.remove("wrun_1", first)
    impatience.hurry_all()
    impatience.remove("wrun_1", second)
    impatience.hurry_all()
    assert told == [2]
