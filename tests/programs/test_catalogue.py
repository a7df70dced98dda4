"""Programs that do not work are refused before a run can start with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.support import TIMEOUT, until, write_app
from torpor import RunFailedError, Torpor, codec
from torpor.errors import ConfigurationError
from torpor.model import NewRun

GOPHER = "wrun_01GOPHER"


def application(folder: Path, flow: str) -> Torpor:
    """Return an application with one workflow file and one step."""
    (folder / "flow.js").write_text(flow)
    app = Torpor(f"sqlite:///{folder}/torpor.db", root=folder)
    app.workflows("*.js")
    return app


async def test_a_run_of_a_guest_that_nobody_has_waits(tmp_path: Path) -> None:
    """It is neither failed nor in the way of others, and a worker that has its guest takes it up."""
    app = application(tmp_path, 'export async function main() { "use workflow"; return 1; }\n')
    async with app:
        await app.store_programs()
        await app.world.create_run(_run_of_gopher(app))
        async with app.worker(guest_names=["quickjs"]) as worker:
            assert await (await app.start("main")).result(timeout=TIMEOUT) == 1
            await worker.wait_idle(timeout=TIMEOUT)
            assert await app.run(GOPHER).status() == "pending"
            assert (await app.world.get_run(GOPHER)).epoch == 0

        async def snoozed() -> str:
            return (await app.world.get_run(GOPHER)).snoozed

        async with app.worker(guest_names=["gopher"]):  # which it does not have either
            assert "guest 'gopher' is unknown" in await until(app, snoozed)
        assert await app.run(GOPHER).status() == "pending"


def _run_of_gopher(app: Torpor) -> NewRun:
    found = app.programs.resolve("main")
    return NewRun(
        id=GOPHER,
        workflow=found.name,
        program=found.program_id,
        guest="gopher",
        runtime="snapshot",
        seed=bytes(32),
        input=codec.dumps([]),
    )


async def test_a_syntax_error_starts_no_run(tmp_path: Path) -> None:
    """The error names file and line, and the world stays without the program."""
    app = application(tmp_path, 'export async function broken() {\n  "use workflow";\n  await call(1;\n}\n')
    async with app:
        with pytest.raises(ConfigurationError, match=r"flow\.js"):
            await app.start("broken")
        with pytest.raises(ConfigurationError, match=r"flow\.js"):
            async with app.worker():
                pass
        assert await app.list_runs() == []


async def test_a_step_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    """The error names the file and what was raised there."""
    (tmp_path / "unimportable_steps.py").write_text("import a_module_that_nobody_has\n")
    flow = 'import { f } from "./unimportable_steps.py";\nexport async function main() { "use workflow"; await f(); }\n'
    app = application(tmp_path, flow)
    async with app:
        with pytest.raises(ConfigurationError, match="a_module_that_nobody_has"):
            await app.start("main")


async def test_arguments_that_a_step_does_not_take_are_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the call is an error at once."""
    steps = "from catalogue_app import app\n@app.step\nasync def f(a): return a\n"
    flow = 'import { f } from "./flow_steps.py";\nexport async function main() { "use workflow"; await f(1, 2); }\n'
    (tmp_path / "flow.js").write_text(flow)
    monkeypatch.syspath_prepend(tmp_path)
    text = "from torpor import Torpor\napp = Torpor('memory://')\napp.workflows('*.js')\n"
    app = write_app(tmp_path, flow_steps=steps, catalogue_app=text)
    async with app, app.worker():
        run = await app.start("main")
        with pytest.raises(RunFailedError, match="too many positional arguments"):
            await run.result(timeout=10)
        assert [step.attempt for step in await run.steps()] == [1]


async def test_a_step_file_whose_name_is_taken_is_refused(tmp_path: Path) -> None:
    """Another module of that name must not pass for it in silence."""
    (tmp_path / "json.py").write_text("")
    flow = 'import { f } from "./json.py";\nexport async function main() { "use workflow"; await f(); }\n'
    app = application(tmp_path, flow)
    async with app:
        with pytest.raises(ConfigurationError, match="rename one of them"):
            await app.start("main")
