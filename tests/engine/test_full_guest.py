"""An application changes between the slim and the full Python guest while runs sleep."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Literal

import pytest

from tests.engine.support import until
from torpor import Torpor, WorkerSettings
from torpor.engine.builds import Builds
from torpor.registry import Registry

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

Python = Literal["slim", "full"]

FLOW = """
import sys

from torpor import hook
from torpor.registry import Registry

registry = Registry()

@registry.workflow
async def waits(token: str) -> list[int]:
    before = len(sys.builtin_module_names)
    await hook(token)
    return [before, len(sys.builtin_module_names)]
"""


@pytest.mark.parametrize(("began", "later"), [("full", "slim"), ("slim", "full")])
async def test_a_run_keeps_the_python_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, began: Python, later: Python
) -> None:
    """Its build is in the world, and workers of an application that has changed take it from there."""
    (tmp_path / f"waiting_in_{began}.py").write_text(FLOW)
    monkeypatch.syspath_prepend(tmp_path)
    registry = importlib.import_module(f"waiting_in_{began}").registry
    first, second = (application(tmp_path, registry, python) for python in (began, later))
    guests = [app.programs.guest("cpython") for app in (first, second)]

    async with first, first.worker():
        run = await first.start("waits", "token")
        await until(first, lambda: first.world.snapshot(run.id))
        builds = Builds(first.world, first.programs.guest)
        builds.use(guests[0])
        await builds.store_used()

    async with second, second.worker():
        await second.resume_hook("token", None)
        before, after = await second.run(run.id).result(timeout=300)
        kept = (await second.world.get_run(run.id)).build

    assert kept == guests[0].build != guests[1].build
    assert before == after
    assert (before > 200) == (began == "full")


def application(folder: Path, registry: Registry, python: Python) -> Torpor:
    """Return the application with one of the guests; it stores no builds by itself."""
    app = Torpor(
        f"sqlite:///{folder}/torpor.db",
        name="waiting",
        root=folder,
        runtime="snapshot",
        settings=WorkerSettings(upkeep_ms=3_600_000),
        python=python,
    )
    app.include(registry)
    return app
