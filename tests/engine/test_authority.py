"""What workflow code may ask for, whatever it has done to its own VM."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from tests.engine.authority.application import app as shop
from tests.engine.authority.application import done
from tests.engine.authority.billing import app as billing
from tests.engine.authority.operations import unlisted
from tests.engine.support import TIMEOUT, has_event
from torpor import RunCancelledError, RunFailedError, Torpor
from torpor.authority import Authority
from torpor.errors import ConfigurationError
from torpor.vm.guest import Program
from torpor.world import World
from torpor.worlds import open_world

UNLISTED = "step//./operations.py//unlisted"


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    """An open world that both applications live in."""
    found = open_world(database)
    await found.open()
    yield found
    await found.close()


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    done.clear()


def allowing(world: World, allow: Sequence[str] = ()) -> Torpor:
    """Return the shop with something allowed."""
    app = shop.on(world)
    app.authority = Authority(allow)
    return app


async def test_steps_that_are_imported_may_be_called(world: World) -> None:
    """As ever."""
    app = allowing(world)
    async with app.worker():
        assert await (await app.start("honest")).result(timeout=TIMEOUT) == "fine"


@pytest.mark.parametrize("name", [UNLISTED, "step//./application.py//nothing", "step//torpor//erase", "any", "x\x00"])
async def test_a_step_that_is_not_imported_ends_the_run_that_asks_for_it(world: World, name: str) -> None:
    """Although the worker has it; the step is not carried out, and other runs are not harmed."""
    app = allowing(world)
    async with app.worker():
        run = await app.start("forges", name)
        with pytest.raises(RunFailedError, match="which its program does not import") as caught:
            await run.result(timeout=TIMEOUT)
        assert await (await app.start("honest")).result(timeout=TIMEOUT) == "fine"

    assert caught.value.failure == "NOT_ALLOWED"
    assert repr(name) in str(caught.value)
    assert done == ["imported first", "imported fine"]


@pytest.mark.parametrize("allow", [UNLISTED, "step//./operations.py//*"])
async def test_an_application_may_allow_a_step(world: World, allow: str) -> None:
    """By its full name, or by a pattern."""
    app = allowing(world, [allow])
    async with app.worker():
        run = await app.start("forges", UNLISTED)
        await has_event(app, run, "hook_created")
        await has_event(app, run, "step_completed")
        await run.cancel()

    assert "unlisted forged" in done


async def test_a_step_that_is_handed_over_needs_to_be_imported_too(world: World) -> None:
    """A reference is a name: whoever could write it down could call anything."""
    app = allowing(world)
    async with app.worker():
        run = await app.start("calls", unlisted)
        with pytest.raises(RunFailedError, match="does not import"):
            await run.result(timeout=TIMEOUT)
    app = allowing(world, [UNLISTED])
    async with app.worker():
        assert await (await app.start("calls", unlisted)).result(timeout=TIMEOUT) == "handed over"


async def test_runs_of_ones_own_application_may_be_asked_and_cancelled(world: World) -> None:
    """Started by whomever."""
    app = allowing(world)
    async with app.worker():
        victim = await app.start("waits", "token")
        assert await (await app.start("asks", victim.id)).result(timeout=TIMEOUT) in ("pending", "running")
        assert await (await app.start("cancels", victim.id)).result(timeout=TIMEOUT) == "cancelled"
        with pytest.raises(RunCancelledError):
            await victim.result(timeout=TIMEOUT)


async def test_runs_of_other_applications_may_not(world: World) -> None:
    """Neither asked nor cancelled; the workflow is told, and may go on."""
    app, other = allowing(world), billing.on(world)
    victim = await other.start("bills", "other-token")
    async with app.worker():
        told = await (await app.start("cancels", victim.id)).result(timeout=TIMEOUT)
        with pytest.raises(RunFailedError, match="is of application 'billing'"):
            await (await app.start("asks", victim.id)).result(timeout=TIMEOUT)

    assert told.startswith("NotAllowedError: ")
    assert "Torpor(allow=['application//billing'])" in told
    assert await victim.status() == "pending"


async def test_an_application_may_allow_runs_of_another(world: World) -> None:
    """By its name."""
    app, other = allowing(world, ["application//billing"]), billing.on(world)
    victim = await other.start("bills", "other-token")
    async with app.worker():
        assert await (await app.start("cancels", victim.id)).result(timeout=TIMEOUT) == "cancelled"


@pytest.mark.parametrize("entry", ["unlisted", "billing", "", "*"])
def test_what_is_allowed_is_a_full_name(entry: str) -> None:
    """A short name could become another step's tomorrow."""
    with pytest.raises(ConfigurationError, match="is the full name of a step"):
        Torpor("memory://", allow=[entry])


def test_a_program_of_version_0_1_0_may_call_what_is_in_its_text() -> None:
    """It does not tell its steps, so file and name must be in what it was made of."""
    program = Program("cpython", "", {"./app.py": "@_torpor_step('step//./app.py//charge')\ndef charge(): ..."}, [], {})

    assert program.names_step("step//./app.py//charge")
    assert not program.names_step("step//./app.py//refund")
    assert not program.names_step("step//./ops.py//charge")
    assert not program.names_step("charge")


def test_a_program_that_tells_its_steps_may_call_no_others() -> None:
    """Whatever is in its text, and also when it has none."""
    text = {"./app.py": "name = 'step//./app.py//charge'"}
    for steps, expected in (({}, False), ({"step//./app.py//charge": ""}, True)):
        program = msgspec.structs.replace(Program("cpython", "", text, [], {}), steps=steps)
        assert program.names_step("step//./app.py//charge") is expected
