"""What workers bring to a world, and starting runs by it without the application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.support import TIMEOUT, until, write_app
from tests.engine.versions import version
from torpor import ArgumentError, WorkflowNotRegisteredError
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring, generate
from torpor.engine.deployments import find_workflow, make_deployment, read_deployments
from torpor.engine.left import LeftSteps
from torpor.engine.liveness import worker_row
from torpor.errors import ConfigurationError, KeyMissingError, ProgramMissingError
from torpor.model import DeployedWorkflow
from torpor.testing.clock import ManualClock
from torpor.world import World
from torpor.worlds import open_world

SAYS = 'export async function greet(name, options) { "use workflow"; return [name, options?.twice ?? false, "%s"]; }'
STEP = "def pay(cents, *, tip=0): ..."
GREET = "workflow//./flow.js//greet"
ONE, OTHER = Keyring([generate()]), Keyring([generate()])


async def later(cents: int) -> int:
    """Become a step."""
    return cents


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """An open world."""
    world = open_world(database)
    await world.open()
    yield world
    await world.close()


# What is stored


async def test_a_worker_says_what_it_brings(tmp_path: Path, world: World) -> None:
    """Workflows with their programs, steps with their signatures, old names included; its row names it."""
    app = version(tmp_path / "app", world, SAYS % 1, STEP, renamed={"pay": ["charge"]})
    async with app.worker():
        [live] = await read_deployments(world)
    found = app.programs.resolve("greet")
    assert live.deployment.app == "shop"
    takes = "(name=..., options=..., /, *args, **kwargs)"
    brought = DeployedWorkflow(found.program_id, "quickjs", found.program.build, takes)
    assert live.deployment.workflows == {GREET: brought}
    own = {name: text for name, text in live.deployment.steps.items() if "//torpor//" not in name}
    assert own == {"step//./steps.py//pay": "(cents, *, tip=...)", "step//./steps.py//charge": "(cents, *, tip=...)"}
    assert live.deployment.steps["step//torpor//start"] == "(workflow, args, options=...)"
    assert [(row.app, row.deployment) for row in live.workers] == [("shop", live.deployment.id)]
    assert [each.workers for each in await read_deployments(world)] == [()]


async def test_equal_applications_bring_one_deployment(tmp_path: Path, world: World) -> None:
    """Wherever their folders are; another step makes another."""
    apps = [version(tmp_path / name, world, SAYS % 1, STEP) for name in ("one", "same")]
    apps.append(version(tmp_path / "other", world, SAYS % 1, STEP.replace("tip", "gift")))
    one, same, other = [(await app.deployment()).id for app in apps]
    assert one == same != other


async def test_a_worker_tells_what_came_later(tmp_path: Path, world: World) -> None:
    """A module that is imported while it works may register more."""
    app = version(tmp_path / "app", world, SAYS % 1)
    async with app.worker():
        [before] = await world.deployments()
        app.step(later)

        async def told() -> bool:
            [row] = await world.workers()
            return row.deployment != before.id

        await until(app, told)
        newest = (await world.deployments())[0]
    assert {name.rpartition("//")[2]: text for name, text in newest.steps.items()}["later"] == "(cents)"


async def test_a_worker_goes_on_when_what_came_later_does_not_load(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Its log says so, and runs of what it brought before go on."""
    app = version(tmp_path / "app", world, SAYS % 1)
    async with app.worker():
        (tmp_path / "app" / "broken.js").write_text('export async function broken() { "use workflow"; } ]')
        app.workflows("broken.js")

        async def told() -> bool:
            return "goes on with what it brought before" in caplog.text

        await until(app, told)
        assert await (await Client(world).start("greet", "Ada")).result(timeout=TIMEOUT) == ["Ada", False, "1"]


# Starting by name


async def test_a_client_starts_by_name(tmp_path: Path, world: World) -> None:
    """It needs nothing but the world; the run is the application's."""
    app = version(tmp_path / "app", world, SAYS % 1)
    async with app.worker():
        client = Client(world)
        run = await client.start("greet", "Ada", twice=True)
        assert await run.result(timeout=TIMEOUT) == ["Ada", True, "1"]
        assert await (await client.start(GREET, "Bob")).result(timeout=TIMEOUT) == ["Bob", False, "1"]
    assert [(each.app, each.workflow) for each in await client.list_runs()] == [("shop", GREET)] * 2


async def test_asking_again_starts_one_run(tmp_path: Path, world: World) -> None:
    """Whichever version is the newest by then."""
    for said in (1, 2):
        async with version(tmp_path / str(said), world, SAYS % said).worker():
            run = await Client(world).start("greet", "Ada", run_id="order-17")
            assert await run.result(timeout=TIMEOUT) == ["Ada", False, "1"]


async def test_the_newest_live_deployment_is_meant(tmp_path: Path, world: World) -> None:
    """Of those that are live the newest, else the newest that there was."""
    old, new = (version(tmp_path / name, world, SAYS % name) for name in ("old", "new"))
    client = Client(world)
    async with old.worker():
        async with new.worker():
            assert (await find_workflow(world, "greet")).workflow.program == new.programs.resolve("greet").program_id
        run = await client.start("greet", "Ada")
        assert await run.result(timeout=TIMEOUT) == ["Ada", False, "old"]
    run = await client.start("greet", "Ada")
    async with new.worker():
        assert await run.result(timeout=TIMEOUT) == ["Ada", False, "new"]


async def test_a_workflow_that_the_newest_lacks_is_an_older_ones(tmp_path: Path, world: World) -> None:
    """While both are live, both can be started."""
    old = version(tmp_path / "old", world, SAYS % "old")
    new = version(tmp_path / "new", world, (SAYS % "new").replace("greet", "welcome"))
    async with old.worker(), new.worker():
        assert await (await Client(world).start("greet", "Ada")).result(timeout=TIMEOUT) == ["Ada", False, "old"]
        assert await (await Client(world).start("welcome", "Ada")).result(timeout=TIMEOUT) == ["Ada", False, "new"]


async def test_a_workflow_that_was_taken_away_cannot_be_started(tmp_path: Path, world: World) -> None:
    """While a worker is at work that does not bring it; with nobody at work, what was brought last counts."""
    old = version(tmp_path / "old", world, SAYS % "old")
    new = version(tmp_path / "new", world, (SAYS % "new").replace("greet", "welcome"))
    async with old.worker():
        pass
    async with new.worker():
        with pytest.raises(WorkflowNotRegisteredError, match="has a workflow 'greet'; known: welcome"):
            await Client(world).start("greet", "Ada")
    assert await (await Client(world).start("greet", "Ada")).status() == "pending"


async def test_who_carries_out_steps_alone_takes_no_workflow_away(world: World) -> None:
    """What was brought last counts on, while nobody else is at work."""
    brings = make_deployment("", {GREET: DeployedWorkflow("p", "quickjs", "")}, {})
    steps = make_deployment("", {}, {"step//./a//charge": ""})
    for deployment in (brings, steps):
        await world.put_deployment(deployment)
    await world.register(worker_row("wrkr_1", 15_000, "", steps.id))
    assert (await find_workflow(world, "greet")).name == GREET


async def test_a_name_of_several_applications_needs_theirs(tmp_path: Path, world: World) -> None:
    """The message names them; one that is live comes before one that is not."""
    shop, bank = (version(tmp_path / name, world, SAYS % name, name=name) for name in ("shop", "bank"))
    async with shop.worker():
        async with bank.worker():
            with pytest.raises(WorkflowNotRegisteredError, match=r"several applications .* 'greet': 'bank', 'shop'"):
                await Client(world).start("greet", "Ada")
            run = await Client(world, app="bank").start("greet", "Ada")
            assert await run.result(timeout=TIMEOUT) == ["Ada", False, "bank"]
        assert await (await Client(world).start("greet", "Ada")).result(timeout=TIMEOUT) == ["Ada", False, "shop"]


async def test_a_name_of_several_workflows_needs_the_full_one(world: World) -> None:
    """The message lists them."""
    full = ["workflow//./a.js//greet", "workflow//./b.js//greet"]
    await world.put_deployment(make_deployment("", {name: DeployedWorkflow("p", "quickjs", "") for name in full}, {}))
    with pytest.raises(WorkflowNotRegisteredError, match=f"use the full name of one: {full[0]}, {full[1]}"):
        await Client(world).start("greet")
    assert (await find_workflow(world, full[1])).name == full[1]


async def test_a_workflow_that_nobody_brought_is_told(tmp_path: Path, world: World) -> None:
    """With those that there are."""
    with pytest.raises(WorkflowNotRegisteredError, match="knows no workflow yet, so 'hello' cannot be started"):
        await Client(world).start("hello")
    async with version(tmp_path / "app", world, SAYS % 1).worker():
        with pytest.raises(WorkflowNotRegisteredError, match="has a workflow 'hello'; known: greet"):
            await Client(world).start("hello")
        with pytest.raises(WorkflowNotRegisteredError, match="no workflow of application 'bank' yet"):
            await Client(world, app="bank").start("greet")


async def test_arguments_are_checked_by_the_signature(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a workflow in Python; they are bound as a call of it would be."""
    monkeypatch.syspath_prepend(tmp_path)
    source = """
        from torpor import Torpor
        app = Torpor()
        @app.workflow
        async def checkout(order, cents=5, *, gift=False):
            return [order, cents, gift]
    """
    app = write_app(tmp_path, signed_app=source).on(database)
    async with app, app.worker():
        client = Client(app.world)
        with pytest.raises(ArgumentError, match=r"missing a required argument: 'order'; it is checkout\(order, cents="):
            await client.start("checkout")
        run = await client.start("checkout", cents=7, order="o-1")
        assert await run.result(timeout=TIMEOUT) == ["o-1", 7, False]


# Keys


async def test_a_client_needs_the_keys_of_the_workers(tmp_path: Path, world: World) -> None:
    """It is told before a run is created that nobody could carry out."""
    app = version(tmp_path / "app", world, SAYS % 1, keys=ONE)
    async with app.worker():
        with pytest.raises(KeyMissingError, match=f"the program of {GREET}: encrypted under key {ONE.current}"):
            await Client(world).start("greet", "Ada")
        with pytest.raises(ConfigurationError, match=f"under key {OTHER.current}, .*the key that the workers"):
            await Client(world, OTHER).start("greet", "Ada")
        assert await world.programs_in_use() == []
        run = await Client(world, ONE).start("greet", "Ada")
        assert await run.result(timeout=TIMEOUT) == ["Ada", False, "1"]


async def test_a_program_that_is_lost_is_told(tmp_path: Path, world: World) -> None:
    """A run of it could not begin."""
    app = version(tmp_path / "app", world, SAYS % 1)
    async with app.worker():
        [key] = await world.blob_sizes("program/")
        await world.delete_blob(key)
        with pytest.raises(ProgramMissingError, match=f"has lost the program of {GREET}"):
            await Client(world).start("greet", "Ada")


# Steps that do not fit


def test_a_step_that_does_not_fit_is_left_alone_for_longer_each_time() -> None:
    """Others may take it at once, and this worker looks at it again, however the wall clock is set."""
    clock = ManualClock()
    left = LeftSteps(clock)
    assert (left.ids(), left.due_in()) == ((), None)
    delays = []
    for _ in range(9):
        assert left.leave("step_1") == 0
        clock.jump(-7_200_000)
        assert left.ids() == ("step_1",)
        delay = left.due_in()
        assert delay is not None
        clock.advance(delay)
        assert left.ids() == ()
        delays.append(delay)
    assert delays[0] <= 500
    assert 30_000 <= delays[-1] <= 60_000


def test_more_steps_than_a_claim_can_name_are_left_alone_by_everybody() -> None:
    """Until those that others have taken are forgotten."""
    clock = ManualClock()
    left = LeftSteps(clock)
    for n in range(1_000):
        assert left.leave(f"step_{n}") == 0
    assert 250 <= left.leave("step_more") <= 500
    clock.advance(200_000)
    assert left.leave("step_more") == 0
    assert left.ids() == ("step_more",)
