"""
Worker processes of an application that this process has imported: what ``app.worker(processes=N)`` starts.

Each is ``torpor worker`` in a fresh interpreter. It imports the module that has the application at its top level, and
has to come to the same workflows and steps as this process: what it brings is compared.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

from torpor.codec.types.classes import importable_name
from torpor.errors import ConfigurationError, UsageError
from torpor.model import Deployment
from torpor.processes.cores import available_cores
from torpor.processes.line import is_supervised
from torpor.processes.supervisor import Supervisor
from torpor.world import World
from torpor.worlds import address_of

Processes = int | Literal["auto"]
"""How many processes; ``auto`` stands for one for each core that this process may use."""

_LEVELS: Final = {logging.ERROR: "error", logging.WARNING: "warning", logging.INFO: "info"}

_log = logging.getLogger("torpor.processes")


@asynccontextmanager
async def worker_processes(
    application: object,
    processes: Processes,
    *,
    world: World,
    moved: bool,
    deploy: Callable[[], Awaitable[Deployment]],
) -> AsyncIterator[Supervisor]:
    """
    Keep worker processes at work while the block runs.

    Args:
        application: which; a module has it at its top level.
        processes: how many.
        world: an open world that they work on.
        moved: whether that is another world than the application has when its module is imported.
        deploy: puts programs into the world, and returns what a worker in this process would bring.

    Raises:
        UsageError: there cannot be so many, or this is such a process itself.
        ConfigurationError: no module has the application, or the processes do not come to work, or bring something
            else.
    """
    count = _count(processes)
    target = place_of(application)
    own = await deploy()
    arguments = [target, "--processes", str(max(2, count)), "--log-level", _level()]  # as one of several, also alone
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    if moved:  # by the environment: arguments are everybody's to read, and there may be a password in it
        environment["TORPOR_WORLD"] = address_of(world)
    supervisor = Supervisor(
        lambda line: [sys.executable, "-P", "-m", "torpor.cli", "worker", *arguments, "--line", str(line)],
        count,
        _log.warning,
        environment=environment,
        gives_up=False,
    )
    try:
        code = await supervisor.start()
        if code is not None:
            raise ConfigurationError(
                f"worker processes of {target} have ended with exit code {code} before they were at work; "
                f"what they said of it stands above"
            )
        for brought in {work.deployment for work in supervisor.at_work} - {own.id}:
            raise ConfigurationError(await _difference(world, target, own, brought))
        yield supervisor
    finally:
        await supervisor.stop()


def place_of(application: object) -> str:
    """
    Return where other processes find an application: ``shop.main:app``.

    Raises:
        ConfigurationError: no module that can be imported has it at its top level.
    """
    main = sys.modules["__main__"]
    found = [(module, name) for module in _modules() for name, value in vars(module).items() if value is application]
    # What a script runs beside what it defines is not for other processes, so that another module is better.
    for module, name in sorted(found, key=lambda place: place[0] is main):
        importable = importable_name(module.__name__)
        if importable != "__main__":
            return f"{importable}:{name}"
    raise ConfigurationError(
        "worker processes import the application, but no module has it at its top level: write `app = Torpor(…)` in a "
        "file, outside of functions; an application made by on() is for this process alone"
    )


def _modules() -> list[ModuleType]:
    return [module for module in [*sys.modules.values()] if isinstance(module, ModuleType)]


def _count(processes: Processes) -> int:
    if is_supervised():
        raise UsageError(
            "this is one of the processes that app.worker(processes=…) has started, and came upon that call while it "
            'imported the application: put what the script does under `if __name__ == "__main__":`'
        )
    if processes == "auto":
        return available_cores()
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
        raise UsageError(f'processes={processes!r} of a worker; give 1 or more, or "auto", one for each core')
    return processes


def _level() -> str:
    """Return the log level of this process, as the command line calls it."""
    level = logging.getLogger("torpor").getEffectiveLevel()
    return next((name for least, name in _LEVELS.items() if level >= least), "debug")


async def _difference(world: World, target: str, own: Deployment, other: str) -> str:
    """Return what to say of processes that bring something else than this one."""
    brought = next((each for each in await world.deployments(own.app) if each.id == other), Deployment("", own.app))
    here, there = own.workflows.keys() | own.steps.keys(), brought.workflows.keys() | brought.steps.keys()
    lacking, besides = sorted(here - there), sorted(there - here)
    told = [f"they lack {', '.join(lacking)}"] if lacking else []
    told += [f"they have besides {', '.join(besides)}"] if besides else []
    return (
        f"worker processes that import {target} bring other workflows and steps than this process"
        f"{': ' * bool(told)}{'; '.join(told)}. Import in that module what registers them, and leave it unchanged "
        f"while this process runs"
    )
