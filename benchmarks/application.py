"""The application that is measured: the product with its defaults, these steps and these workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import steps
from benchmarks.harness.setting import Setting
from torpor import Torpor
from torpor.programs import LANGUAGES

FOLDER = Path(__file__).parent


def application(setting: Setting) -> Torpor:
    """Return the application on the setting's world."""
    app = Torpor(setting.world, runtime=setting.runtime, root=FOLDER)
    for function in (steps.add, steps.echo, steps.pause):
        app.step(function)
    suffixes = ",".join(LANGUAGES[setting.guest].suffixes)
    app.workflows(f"flows/*{{{suffixes}}}")
    return app


@asynccontextmanager
async def working(setting: Setting) -> AsyncIterator[Torpor]:
    """Open the application with a worker in this process."""
    app = application(setting)
    async with app, app.worker():
        yield app
