"""``torpor worker``: carry out runs until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated

import typer

from torpor import Torpor
from torpor.cli import logs
from torpor.cli.opening import app_on
from torpor.cli.options import AppArgument, DecryptOption, WorldOption
from torpor.cli.output import STYLES, counted, say
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest, leave_soon, wait_orphaned
from torpor.engine.observer import Stored, only
from torpor.inspection.describe import Describer, Line
from torpor.inspection.redaction import Redactor
from torpor.inspection.timestamps import time_text


@command
def worker(
    app: AppArgument = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what runs do as it happens: a line for each thing.")
    ] = False,
    log_level: logs.LogLevelOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    parent: Annotated[int | None, typer.Option(hidden=True, help="Stop when this process ends.")] = None,
) -> None:
    """
    Work on runs until told to stop.

    SIGTERM or Ctrl-C parks all runs and waits for running steps; a second one ends the process at once.

    Example: torpor worker app.py --world sqlite:////var/lib/shop/torpor.db
    """
    logs.check_level(log_level)
    stop = StopRequest(of_parent=parent is not None)
    application = app_on(app, world)
    logs.set_up(log_level, follow=follow)
    describer = None
    if follow:
        describer = Describer(application.world, Redactor(application.keyring, decrypt=decrypt), _show, _complain)
    asyncio.run(_work(application, describer, stop, parent))
    say(("stopped", "dim"), err=True)


async def _work(application: Torpor, describer: Describer | None, stop: StopRequest, parent: int | None) -> None:
    """Run a worker until it is to stop."""
    observers = [] if describer is None else [only(describer.observe, Stored)]
    async with application, describer or contextlib.nullcontext(), application.worker(observers=observers) as running:
        say((f"worker {running.id} is at work: {_inventory(application)}", "dim"), err=True)
        if not application.world.capabilities.durable:
            say(("this world ends with this process, and no other process sees it", "yellow"), err=True)
        await _wait_for(stop, parent)
        grace = application.settings.grace_seconds
        say((f"stopping: runs are parked, running steps have {grace:g} s to end", "dim"), err=True)
    leave_soon()


async def _wait_for(stop: StopRequest, parent: int | None) -> None:
    if parent is None:
        await stop.wait()
        return
    waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(wait_orphaned(parent))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _show(line: Line) -> None:
    """Print what happened in a run."""
    head = ((f"{time_text(line.at)}  {line.run_id}  ", "dim"), (f"{line.workflow}  ", "bold"))
    style = STYLES.get(line.tone, "")
    if line.kind == "log":
        say(*head, ("│ ", "dim"), (line.text, style))
        return
    # The word that a colour is for comes first, or the whole line has it.
    word, _, rest = line.text.partition(" ") if line.kind == "ended" else (line.text, "", "")
    separator = ": " if line.tone == "cancelled" else "  "
    detail = (f"{separator}{line.detail}", "red" if line.tone == "failed" else "dim")
    say(*head, (word, style), f" {rest}" if rest else "", detail if line.detail else "")


def _complain(sentence: str) -> None:
    say((sentence, "yellow"), err=True)


def _inventory(app: Torpor) -> str:
    workflows = sum(len(program.workflows) for program in app.programs.all())
    return f"{counted(workflows, 'workflow')}, {counted(len(app.step_names()), 'step')}, world {app.world.url}"
