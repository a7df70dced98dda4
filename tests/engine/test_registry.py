"""Registries: steps and workflows that modules write down before an application includes them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.support import TIMEOUT, write_app
from torpor import Registry, Torpor
from torpor.codec.types.references import reference_of
from torpor.codec.values import StepFunction, WorkflowFunction
from torpor.errors import ConfigurationError

HERE = f"./{Path(__file__).name}"


@pytest.fixture(autouse=True)
def _importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of a test be imported, in this test only."""
    monkeypatch.syspath_prepend(tmp_path)


async def a_step(value: int) -> int:
    """Become a step."""
    return value


async def another_step() -> None:
    """Become a step too."""


async def a_step_of_its_own(value: int) -> int:
    """Become a step in one test only."""
    return value


async def a_workflow() -> None:
    """Become a workflow."""


# Projects of several modules


async def test_a_project_of_two_registries_runs(tmp_path: Path) -> None:
    """
    Steps in one module, workflows in another, neither of which knows the application; names begin at its root.

    A class that a registry made a value crosses between them, and so does a step among the arguments of another.
    """
    app = write_app(
        tmp_path,
        kiosk__payment="""
            from torpor import Registry

            registry = Registry()

            @registry.serializable
            class Receipt:
                def __init__(self, order, cents):
                    self.order, self.cents = order, cents

            @registry.step(max_retries=0, timeout="30s")
            async def charge(order, cents):
                return Receipt(order, cents)

            @registry.step(name="twice")
            def double(cents, how):
                return how(cents)
        """,
        kiosk__flows="""
            from kiosk import payment
            from kiosk.payment import charge, double
            from torpor import Registry

            registry = Registry()
            registry.include(payment.registry)

            @registry.step
            def times_two(cents):
                return cents * 2

            @registry.workflow
            async def buy(order, cents):
                receipt = await charge(order, await double(cents, times_two))
                return receipt.order, receipt.cents
        """,
        kiosk_app="""
            from kiosk import flows
            from torpor import Torpor

            app = Torpor("memory://")
            app.include(flows.registry)
        """,
    )
    assert sorted(app.step_names()) == [
        "step//./kiosk/flows.py//times_two",
        "step//./kiosk/payment.py//charge",
        "step//./kiosk/payment.py//twice",
    ]
    async with app, app.worker():
        run = await app.start("buy", "o-1", cents=21)
        assert await run.result(timeout=TIMEOUT) == ("o-1", 42)
        assert (await run.info()).workflow == "workflow//./kiosk/flows.py//buy"


async def test_a_pattern_imports_a_file_that_has_a_registry(tmp_path: Path) -> None:
    """What it registers is named although its registry was included before, and the workflow itself can be started."""
    app = write_app(
        tmp_path,
        tardy__registry="from torpor import Registry\nregistry = Registry()\n",
        tardy__flows="""
            from tardy.registry import registry

            @registry.step
            async def three():
                return 3

            @registry.workflow
            async def counts():
                return await three()
        """,
        tardy_app="""
            from tardy.registry import registry
            from torpor import Torpor

            app = Torpor("memory://")
            app.include(registry)
            app.workflows("tardy/flows.py")
        """,
    )
    async with app, app.worker():
        assert await (await app.start("counts")).result(timeout=TIMEOUT) == 3
        from tardy.flows import counts  # type: ignore[import-not-found]  # noqa: PLC0415  # the pattern has loaded it

        assert counts.name == "workflow//./tardy/flows.py//counts"
        assert await (await app.start(counts)).result(timeout=TIMEOUT) == 3


async def test_javascript_calls_a_step_of_a_registry(tmp_path: Path) -> None:
    """It imports the step from its module, as ever."""
    (tmp_path / "mixed_flow.js").write_text(
        'import { four } from "./mixed_steps.py";\n'
        'export async function main() { "use workflow"; return await four(); }\n'
    )
    app = write_app(
        tmp_path,
        mixed_steps="from torpor import Registry\nsteps = Registry()\n@steps.step\nasync def four(): return 4\n",
        mixed_app=(
            "from mixed_steps import steps\nfrom torpor import Torpor\n"
            "app = Torpor('memory://')\napp.include(steps)\napp.workflows('*.js')\n"
        ),
    )
    async with app, app.worker():
        assert await (await app.start("main")).result(timeout=TIMEOUT) == 4


async def test_a_file_whose_registry_nobody_includes_is_refused(tmp_path: Path) -> None:
    """The advice is to include it."""
    app = write_app(
        tmp_path,
        alone_flow="from torpor import Registry\nr = Registry()\n@r.workflow\nasync def main(): ...\n",
        alone_app="from torpor import Torpor\napp = Torpor('memory://')\napp.workflows('alone_flow.py')\n",
    )
    async with app:
        with pytest.raises(ConfigurationError, match=r"alone_flow\.py defines no workflow.*app\.include\(registry\)"):
            await app.start("main")


# Names


def test_names_come_with_the_application() -> None:
    """Before, there is none, and a workflow cannot be started; afterwards both stand for themselves as values."""
    registry = Registry()
    registry.step(a_step)
    flow = registry.workflow(a_workflow)
    with pytest.raises(ConfigurationError, match=r"a_workflow .*no application includes; call app\.include"):
        _ = flow.name
    assert repr(flow) == "<Workflow a_workflow>"

    app = Torpor("memory://")
    app.include(registry)

    assert app.step_names() == [f"step//{HERE}//a_step"]
    assert reference_of(a_step) == StepFunction(f"step//{HERE}//a_step")
    assert reference_of(functools.partial(a_step, 1)) == StepFunction(f"step//{HERE}//a_step", {"boundArgs": [1]})
    assert reference_of(flow) == WorkflowFunction(f"workflow//{HERE}//a_workflow")
    assert repr(flow) == f"<Workflow workflow//{HERE}//a_workflow>"


async def test_starting_what_no_application_includes_says_so() -> None:
    """It is no other application's workflow, but nobody's."""
    flow = Registry().workflow(a_workflow)
    async with Torpor("memory://") as app:
        with pytest.raises(ConfigurationError, match=r"call app\.include\(registry\)"):
            await app.start(flow)


def test_a_file_above_the_root_keeps_its_way_there() -> None:
    """As for steps of the application itself."""
    registry = Registry()
    registry.step(a_step)
    app = Torpor("memory://", root=Path(__file__).parent / "flows")
    app.include(registry)
    assert app.step_names() == [f"step//../{Path(__file__).name}//a_step"]


def test_settings_of_a_step_come_along() -> None:
    """Retries, timeout and which errors are retried are the registry's."""
    registry = Registry()
    registry.step(max_retries=7, timeout="2s", retry_on=OSError, never_retry=(KeyError, IndexError))(a_step)
    app = Torpor("memory://")
    app.include(registry)
    found = app.steps.step_definition(f"step//{HERE}//a_step")
    assert found is not None
    assert (found.function, found.max_retries, found.timeout) == (a_step, 7, 2.0)
    assert (found.retry_on, found.never_retry) == ((OSError,), (KeyError, IndexError))


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": -1},
        {"timeout": "soon"},
        {"timeout": -1},
        {"timeout": 0},
        {"retry_on": "all"},
        {"never_retry": 3},
    ],
)
def test_settings_that_are_wrong_are_refused_where_they_stand(options: dict[str, Any]) -> None:
    """A registry needs no application to know."""
    with pytest.raises(ConfigurationError, match="of a step"):
        Registry().step(**options)


async def test_a_step_with_options_is_the_function_and_a_value() -> None:
    """Outside of workflows a call of it is a plain call; where it is passed on, the options go along."""
    registry = Registry()
    step = registry.step(a_step_of_its_own)
    careful = step.with_options(max_retries=1).with_options(timeout="2s")
    assert reference_of(careful) is None  # it has no name yet
    assert await careful(3) == 3
    assert careful.__name__ == "a_step_of_its_own"

    app = Torpor("memory://")
    app.include(registry)

    wanted = {"maxRetries": 1, "timeoutMs": 2000}
    name = f"step//{HERE}//a_step_of_its_own"
    assert reference_of(careful) == StepFunction(name, {"options": wanted})
    assert reference_of(step.with_options()) == StepFunction(name)
    bound = StepFunction(name, {"options": wanted, "boundArgs": [3]})
    assert reference_of(functools.partial(careful, 3)) == bound
    revived: Any = app.steps.step(bound)
    assert await revived() == 3
    assert reference_of(revived) == bound
    with pytest.raises(ConfigurationError, match="there is no option retries"):
        step.with_options(retries=3)  # type: ignore[call-arg]  # that is the case


# Merging


def test_registries_may_include_one_another() -> None:
    """In a circle too; each has what all have, once."""
    first, second, third = Registry(), Registry(), Registry()
    first.include(second)
    second.include(third)
    third.include(first)
    first.step(a_step)
    third.step(another_step)
    for registry in (first, second, third):
        app = Torpor("memory://")
        app.include(registry, registry)
        assert sorted(app.step_names()) == [f"step//{HERE}//a_step", f"step//{HERE}//another_step"]


def test_what_is_included_does_not_learn_from_who_includes_it() -> None:
    """Two applications may share a registry and have more of their own."""
    shared = Registry()
    shared.step(a_step)
    one, other = Torpor("memory://"), Torpor("memory://")
    one.include(shared)
    other.include(shared)
    one.step(another_step)
    assert other.step_names() == [f"step//{HERE}//a_step"]


def test_two_functions_of_one_name_are_refused() -> None:
    """When they meet: at the inclusion, or at a registration after it."""
    first, second = Registry(), Registry()
    first.step(a_step)
    second.step(name="a_step")(another_step)
    app = Torpor("memory://")
    app.include(first)
    with pytest.raises(ConfigurationError, match=r"two functions are registered as step//.*//a_step"):
        app.include(second)
    with pytest.raises(ConfigurationError, match=r"two functions are registered as step//.*//a_step"):
        first.step(name="a_step")(another_step)


def test_one_registry_under_two_roots_is_refused(tmp_path: Path) -> None:
    """Its steps and workflows would have two names, of which values could carry one."""
    steps, flows = Registry(), Registry()
    steps.step(a_step)
    flows.workflow(a_workflow)
    Torpor("memory://").include(steps, flows)
    for registry in (steps, flows):
        with pytest.raises(ConfigurationError, match="different roots; give them the same root="):
            Torpor("memory://", root=tmp_path).include(registry)


def test_an_application_elsewhere_has_the_same_names() -> None:
    """``app.on`` makes another application of what is registered, also of what is registered later."""
    registry = Registry()
    app = Torpor("memory://")
    app.include(registry)
    twin = app.on("memory://")
    registry.step(a_step)
    assert twin.step_names() == app.step_names() == [f"step//{HERE}//a_step"]


# Steps that were renamed


async def test_a_renamed_step_answers_to_its_old_names() -> None:
    """Short ones are of its own module, full ones of any; lists of steps have its new name only."""
    app = Torpor("memory://", root=Path(__file__).parent)
    app.step(name="new", renamed=["old", "step//./gone.py//older"])(a_step)

    names = [f"step//{HERE}//old", "step//./gone.py//older"]
    for name in (f"step//{HERE}//new", *names):
        found = app.steps.step_definition(name)
        assert found is not None
        assert found.function is a_step
    assert app.step_names() == [f"step//{HERE}//new"]
    assert set(names) < set(app.steps.claimable_steps())


async def test_a_renamed_step_of_a_registry_is_named_at_its_inclusion() -> None:
    """A short old name is one of the module that the step is in, whoever includes it."""
    registry = Registry()
    registry.step(renamed="old")(a_step)
    app = Torpor("memory://", root=Path(__file__).parent.parent)
    app.include(registry)

    assert app.steps.step_definition(f"step//./engine/{Path(__file__).name}//old") is not None


@pytest.mark.parametrize("renamed", [["workflow//./a.py//old"], [""], [3]])
def test_an_old_name_that_no_step_can_have_is_refused(renamed: Any) -> None:
    """A mistyped one would be told by runs that wait."""
    with pytest.raises(ConfigurationError, match="give a name, such as 'charge'"):
        Registry().step(renamed=renamed)


@pytest.mark.parametrize("first", [True, False])
def test_two_steps_cannot_answer_to_one_name(first: bool) -> None:
    """Neither a step and one that was renamed from it, in whatever order they come, nor two that were renamed."""
    app = Torpor("memory://", root=Path(__file__).parent)
    steps: list[Callable[[], object]] = [
        lambda: app.step(name="new", renamed=["old"])(a_step),
        lambda: app.step(name="old")(another_step),
    ]
    steps = steps if first else steps[::-1]
    steps[0]()
    with pytest.raises(ConfigurationError, match="take it out of renamed="):
        steps[1]()


def test_a_name_has_one_successor() -> None:
    """Two steps that say that they were it are told apart at once."""
    app = Torpor("memory://", root=Path(__file__).parent)
    app.step(name="one", renamed=["old"])(a_step)
    with pytest.raises(ConfigurationError, match=r"what step//\./test_registry\.py//one says too"):
        app.step(name="other", renamed=["old"])(another_step)
    with pytest.raises(ConfigurationError, match="which is the name of a step"):
        app.step(name="self", renamed=["self"])(another_step)
