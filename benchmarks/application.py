"""The application that is measured: the product with its defaults, these steps and these workflows."""

from __future__ import annotations

import importlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import steps
from benchmarks.flows.burning import burning
from benchmarks.flows.fanout import fanout
from benchmarks.flows.hot import hot
from benchmarks.flows.idle import idle
from benchmarks.flows.moments import moments
from benchmarks.flows.nap import nap
from benchmarks.flows.payload import payload
from benchmarks.flows.sequential import sequential
from benchmarks.flows.slow import slow
from benchmarks.flows.streaming import streaming
from benchmarks.flows.waiting import waiting
from benchmarks.harness.setting import Setting
from torpor import Torpor

FOLDER = Path(__file__).parent
SETTING: Final = "TORPOR_BENCHMARK"
"""The environment's setting for worker processes, as JSON."""


def application(setting: Setting) -> Torpor:
    """Return the application on the setting's world, with the workflows of its guest."""
    app = Torpor(setting.world, runtime=setting.runtime, root=FOLDER)
    for function in (steps.add, steps.echo, steps.pause, steps.write):
        app.step(function)
    _REGISTER[setting.guest](app)
    return app


def _javascript(app: Torpor) -> None:
    app.workflows("flows/*.js")


def _python(app: Torpor) -> None:
    app.workflow(burning)
    app.workflow(fanout)
    app.workflow(hot)
    app.workflow(idle)
    app.workflow(moments)
    app.workflow(nap)
    app.workflow(payload)
    app.workflow(sequential)
    app.workflow(slow)
    app.workflow(streaming)
    app.workflow(waiting)


_REGISTER: Final[dict[str, Callable[[Torpor], None]]] = {"quickjs": _javascript, "cpython": _python}


@asynccontextmanager
async def working(setting: Setting) -> AsyncIterator[Torpor]:
    """Open the application with a worker in this process, or with several worker processes."""
    if setting.processes == 1:
        app = application(setting)
        async with app, app.worker():
            yield app
        return
    os.environ[SETTING] = msgspec.json.encode(setting).decode()
    app = importlib.import_module("benchmarks.served").app  # not before: it reads the setting
    async with app, app.worker(processes=setting.processes):
        yield app
