"""Versions of an application side by side: a step is carried out by a worker that has it, and waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.engine.support import TIMEOUT, has_event, logged, resumed, until
from tests.engine.versions import AT_ONCE, TASKS_ONLY, version
from torpor import RunFailedError, Torpor, WorkerSettings
from torpor.codec.values import StepFunction
from torpor.engine.complaints import Complaints
from torpor.engine.deployments import Startable
from torpor.engine.images import program_key
from torpor.engine.logbook import write_down
from torpor.engine.waiting import read_unmet
from torpor.model import DeployedWorkflow, WaitingSteps
from torpor.vm.guest import program_bytes, program_id
from torpor.world import World
from torpor.worlds import open_world

PAYS = """
import { pay } from "./steps.py";
export async function order(cents) { "use workflow"; return await pay(cents); }
"""
PAYS_WITH_TIP = PAYS.replace("pay(cents)", "pay(cents, 5)")
PAYS_LATER = """
import { createHook } from "workflow";
import { pay } from "./steps.py";
export async function order(cents) {
  "use workflow";
  return await pay(await createHook({ token: "go" }));
}
"""
NOTHING = 'export async function other() { "use workflow"; return 1; }'
PAY = "def pay(cents): return f'paid {cents}'"
PAY_AND_TIP = "def pay(cents, tip=0): return f'paid {cents} and {tip}'"
PAY_AND_MUST_TIP = "def pay(cents, tip): return f'paid {cents} and {tip}'"

SILENT = WorkerSettings(heartbeat_ms=600_000, lease_ms=6_000_000)
"""Of workers that tell nothing during a test."""

BOTH = pytest.mark.parametrize("settings", [AT_ONCE, TASKS_ONLY], ids=["inline", "tasks"])
"""Steps that turns carry out themselves, and steps that are tasks."""


@pytest.fixture(params=["sqlite", "memory"])
async def world(request: pytest.FixtureRequest, database: str) -> AsyncIterator[World]:
    """An open world that the versions share."""
    world = open_world(database if request.param == "sqlite" else "memory://")
    await world.open()
    yield world
    await world.close()


async def waiting(app: Torpor) -> WaitingSteps:
    """Return the one group of steps that waits, once it was given back."""

    async def given_back() -> WaitingSteps | None:
        found = await app.world.waiting_steps()
        return found[0] if found and found[0].snoozed else None

    found = await until(app, given_back)
    assert found is not None
    return found


# Names


async def test_a_turn_hands_over_a_step_that_its_worker_lacks(tmp_path: Path, world: World) -> None:
    """Its run goes on when a worker comes that has it, without an attempt that counts."""
    old, new = version(tmp_path / "old", world, NOTHING), version(tmp_path / "new", world, PAYS, PAY)
    run = await new.start("order", 7)
    async with old.worker() as worker:
        assert (await waiting(new)).snoozed == f"worker {worker.id}: it has no step//./steps.py//pay"
        async with new.worker():
            assert await run.result(timeout=TIMEOUT) == "paid 7"
    assert [step.attempt for step in await run.steps()] == [1]
    assert not [event for event in await run.events() if event.type == "step_retrying"]


async def test_a_step_that_nobody_has_waits_and_is_told_of(tmp_path: Path, world: World) -> None:
    """A worker's log says what waits for whom, since when; a worker that comes later carries it out."""
    old, new = version(tmp_path / "old", world, NOTHING), version(tmp_path / "new", world, PAYS, PAY)
    run = await new.start("order", 7)
    with logged("torpor.engine", f"no live worker of application 'shop' has it (e.g. run {run.id})") as told:
        async with old.worker():
            await asyncio.wait_for(told.wait(), TIMEOUT)
    async with new.worker():
        assert await run.result(timeout=TIMEOUT) == "paid 7"
    assert await read_unmet(world) == []


async def test_what_waits_is_told_of_once(tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """However many runs come to wait for it, until it has been there again."""
    old = version(tmp_path / "old", world, NOTHING, settings=SILENT)
    new = version(tmp_path / "new", world, PAYS, PAY, settings=SILENT)
    complaints = Complaints(world, old.keyring, write_down)
    async with old.worker():
        for cents in (1, 2):
            await new.start("order", cents)
            await until(new, lambda count=cents: _waits(world, count))  # type: ignore[misc]  # it is bound
            await complaints.tell("wrkr_1", "shop")
            await Complaints(world, old.keyring, write_down).tell("wrkr_1", "other")  # whose runs these are not
    assert len([text for text in caplog.messages if text.startswith(("1 call of", "2 calls of"))]) == 1
    async with new.worker():
        await until(new, lambda: _waits(world, 0))
        await complaints.tell("wrkr_1", "shop")
    async with old.worker():
        await new.start("order", 3)
        await until(new, lambda: _waits(world, 1))
        await complaints.tell("wrkr_1", "shop")
    assert len([text for text in caplog.messages if text.startswith("1 call of step//./steps.py//pay waits")]) == 2


async def _waits(world: World, count: int) -> bool:
    return sum(steps.count for steps in await world.waiting_steps()) == count


@BOTH
async def test_a_renamed_step_carries_out_what_asks_for_its_old_name(
    tmp_path: Path, world: World, settings: WorkerSettings
) -> None:
    """A run that slept while the step was renamed goes on, and its log has the name that its program knows."""
    old = version(tmp_path / "old", world, PAYS_LATER, PAY)
    renamed = {"charge": ["pay"]}
    new = version(tmp_path / "new", world, NOTHING, PAY.replace("pay(", "charge("), renamed=renamed, settings=settings)
    async with old.worker():
        run = await old.start("order")
        await has_event(old, run, "hook_created")
    async with new.worker():
        await resumed(new, "go", 7)
        assert await run.result(timeout=TIMEOUT) == "paid 7"
    assert {event.name for event in await run.events() if event.type.startswith("step_")} == {"step//./steps.py//pay"}


# Signatures


@BOTH
async def test_a_new_optional_parameter_changes_nothing(tmp_path: Path, world: World, settings: WorkerSettings) -> None:
    """A run whose program knows the old signature is served by the new step."""
    old = version(tmp_path / "old", world, PAYS, PAY)
    new = version(tmp_path / "new", world, NOTHING, PAY_AND_TIP, settings=settings)
    run = await old.start("order", 7)
    async with new.worker():
        assert await run.result(timeout=TIMEOUT) == "paid 7 and 0"


@BOTH
async def test_a_step_that_does_not_take_the_arguments_leaves_them_to_one_that_does(
    tmp_path: Path, world: World, settings: WorkerSettings
) -> None:
    """It is told before the step runs, counts as no attempt, and says what does not fit."""
    old = version(tmp_path / "old", world, NOTHING, PAY, settings=settings)
    new = version(tmp_path / "new", world, PAYS_WITH_TIP, PAY_AND_TIP, settings=settings)
    run = await new.start("order", 7)
    async with old.worker() as worker:
        found = await waiting(new)
        assert found.snoozed == (
            f"worker {worker.id}: step step//./steps.py//pay was called with 2 arguments: too many positional "
            "arguments; here the step is (cents), the run's program takes it for (cents, tip=...)"
        )
        assert (found.name, found.signature) == ("step//./steps.py//pay", "(cents, tip=...)")
        [unmet] = await read_unmet(world)
        assert (unmet.reason, unmet.has_name, unmet.workers) == (found.snoozed, True, 1)
        async with new.worker():
            assert await run.result(timeout=TIMEOUT) == "paid 7 and 5"
    assert [step.attempt for step in await run.steps()] == [1]


@BOTH
async def test_a_mistake_of_the_program_fails_the_step(tmp_path: Path, world: World, settings: WorkerSettings) -> None:
    """Where the program knows the step as it is, no other worker would take the arguments."""
    app = version(tmp_path / "app", world, PAYS, PAY_AND_MUST_TIP, settings=settings)
    run = await app.start("order", 7)
    async with app.worker():
        with pytest.raises(RunFailedError, match="missing a required argument: 'tip'"):
            await run.result(timeout=TIMEOUT)


async def test_a_program_that_does_not_know_signatures_waits(tmp_path: Path, world: World) -> None:
    """One of version 0.1.0 does not tell whose mistake it is, so nothing fails."""
    old = version(tmp_path / "old", world, PAYS, PAY)
    found = old.programs.resolve("order")
    program = msgspec.structs.replace(found.program, steps=None)
    key = program_key(program_id(program), "")
    await world.put_blob(key, old.keyring.blob(key, "").pack_binary(program_bytes(program)))
    version_0_1_0 = msgspec.structs.replace(_startable(old), program=program_id(program))
    run = await old.client.create_run(
        Startable(found.name, "", version_0_1_0), [7], runtime="snapshot", run_id="wrun_of_version_0_1_0"
    )
    new = version(tmp_path / "new", world, NOTHING, PAY_AND_MUST_TIP)
    async with new.worker():
        assert "the run's program takes it for something else" in (await waiting(new)).snoozed
        async with old.worker():
            assert await run.result(timeout=TIMEOUT) == "paid 7"


def _startable(app: Torpor) -> DeployedWorkflow:
    found = app.programs.resolve("order")
    return DeployedWorkflow(found.program_id, found.program.guest, found.program.build)


TAKES_A_STEP = """
export async function order(step) { "use workflow"; return await step(7); }
"""


async def test_what_a_version_allows_is_allowed_on_workers_of_others(tmp_path: Path, world: World) -> None:
    """A step that arrives as a value is not imported; the program of the run says that it may be called."""
    old = version(tmp_path / "old", world, NOTHING)
    new = version(tmp_path / "new", world, TAKES_A_STEP, PAY, allow=["step//./steps.py//*"])
    run = await new.start("order", StepFunction("step//./steps.py//pay"))
    async with old.worker():
        assert (await waiting(new)).signature == "(cents)"
        async with new.worker():
            assert await run.result(timeout=TIMEOUT) == "paid 7"


# Children, and other applications

PARENT = """
import { start } from "workflow";
export async function parent(name, ...args) { "use workflow"; return (await start(name, args)).runId; }
"""
CHILD = 'export async function child() { "use workflow"; return "%s"; }'


async def test_a_child_is_of_the_newest_version_that_has_its_workflow(tmp_path: Path, world: World) -> None:
    """An older worker that carries out the start does not have it, and the parent does not fail of it."""
    old = version(tmp_path / "old", world, PARENT)
    new = version(tmp_path / "new", world, PARENT + CHILD % "new")
    async with new.worker():
        pass  # it has told what it brings
    parent = await new.start("parent", "child")
    async with old.worker():
        child = new.run(await parent.result(timeout=TIMEOUT))
        assert await child.result(timeout=TIMEOUT) == "new"
    assert (await child.info()).app == "shop"


async def test_a_child_that_no_version_has_is_an_error(tmp_path: Path, world: World) -> None:
    """Workflow code may catch it."""
    old = version(tmp_path / "old", world, PARENT)
    async with old.worker():
        run = await old.start("parent", "nobody")
        with pytest.raises(RunFailedError, match="no workflow is called 'nobody'"):
            await run.result(timeout=TIMEOUT)


async def test_applications_leave_one_another_alone(tmp_path: Path, world: World) -> None:
    """Neither turns nor steps of another's runs are taken, and names of workflows are one's own."""
    shop = version(tmp_path / "shop", world, PARENT + CHILD % "shop" + PAYS, PAY)
    bank = version(tmp_path / "bank", world, PARENT + CHILD % "bank" + PAYS, PAY, name="bank")
    run = await shop.start("order", 7)
    async with bank.worker() as worker:
        own = await bank.start("parent", "child")
        child = bank.run(await own.result(timeout=TIMEOUT))
        assert await child.result(timeout=TIMEOUT) == "bank"
        await worker.wait_idle(timeout=TIMEOUT)
        assert (await run.status(), (await world.get_run(run.id)).epoch) == ("pending", 0)
    async with shop.worker():
        assert await run.result(timeout=TIMEOUT) == "paid 7"


async def test_runs_of_an_application_without_a_name_are_everybodys(tmp_path: Path, world: World) -> None:
    """As those of version 0.1.0 are; their steps go to the worker that has them."""
    unnamed = version(tmp_path / "unnamed", world, PAYS, PAY, name="")
    shop = version(tmp_path / "shop", world, NOTHING)
    run = await unnamed.start("order", 7)
    async with shop.worker():
        await waiting(shop)
        async with unnamed.worker():
            assert await run.result(timeout=TIMEOUT) == "paid 7"
