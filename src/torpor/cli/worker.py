"""``torpor worker``: carry out runs until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from torpor import Torpor, WorkerSettings
from torpor.cli import bounds, event_loop, logs
from torpor.cli.leaving import leave_soon
from torpor.cli.opening import app_on
from torpor.cli.options import AppArgument, DecryptOption, WorldOption
from torpor.cli.output import STYLES, counted, say, show_as_on_terminal
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest
from torpor.cli.supervising import AUTO, process_count, supervise
from torpor.engine.observer import Stored, only
from torpor.errors import ConfigurationError
from torpor.inspection.describe import Describer, Line
from torpor.inspection.redaction import Redactor
from torpor.inspection.timestamps import time_text
from torpor.processes.line import Alone, AtWork, ProcessEnd


@command
def worker(
    app: AppArgument = None,
    processes: Annotated[
        str, typer.Option("--processes", "-p", metavar="N", help="How many processes; auto: one for each core.")
    ] = AUTO,
    queues: bounds.QueuesOption = None,
    concurrency: bounds.ConcurrencyOption = None,
    memory: bounds.MemoryOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what runs do as it happens: a line for each thing.")
    ] = False,
    log_level: logs.LogLevelOption = None,
    log_format: logs.LogFormatOption = "text",
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    line: Annotated[int | None, typer.Option(hidden=True, help="Descriptor of the line to a parent.")] = None,
    terminal: Annotated[bool, typer.Option(hidden=True, help="The parent writes to a terminal.")] = False,
) -> None:
    """
    Work on runs until told to stop.

    SIGTERM or Ctrl-C parks all runs and waits for running steps; a second one ends it at once. SIGUSR1 replaces several
    processes by new ones, one after the other.

    Example: torpor worker app.py --world sqlite:////var/lib/shop/torpor.db
    """
    logs.check(log_level, log_format)
    count = process_count(processes)
    ceiling = None if memory is None else bounds.size_of(memory)
    is_supervised = count > 1 or ceiling is not None  # somebody has to start the next one
    bounds.bounded(WorkerSettings(), queues, concurrency)
    if line is None and is_supervised:
        options = {
            "--processes": processes,
            "--queues": queues,
            "--concurrency": None if concurrency is None else str(concurrency),
            "--memory": memory,
            "--log-level": log_level,
            "--log-format": log_format,
            "--world": world,
        }
        flags = {"--follow": follow, "--decrypt": decrypt, "--terminal": sys.stderr.isatty()}
        code = supervise(_arguments(app, options, flags), count)
        say(("stopped", "dim"), err=True)
        raise typer.Exit(code)
    parent = None if line is None else ProcessEnd(line)
    stop = StopRequest(of_parent=parent is not None)
    if parent is not None:
        parent.watch(stop.ask)
        show_as_on_terminal(terminal)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # the interpreter's own stream
    application = app_on(app, world)
    application.settings = bounds.bounded(application.settings, queues, concurrency)
    if parent is not None and is_supervised:
        _share(application, parent, as_told=processes != AUTO)
    logs.set_up(log_level, log_format, follow=follow)
    one_of_many = parent is not None and is_supervised
    describer = None
    if follow:
        redactor = Redactor(application.keyring, decrypt=decrypt)
        describer = Describer(application.world, redactor, _show, _complain, one_of_many=one_of_many)
    event_loop.run(_work(application, describer, stop, parent, ceiling, tells_end=not one_of_many))
    if not one_of_many:
        say(("stopped", "dim"), err=True)


def _arguments(app: str | None, options: Mapping[str, str | None], flags: Mapping[str, bool]) -> list[str]:
    """Return the arguments of each of several processes; they find the application as this one would: here."""
    given = [] if app is None else [app]
    given += [part for name, value in options.items() if value is not None for part in (name, value)]
    return given + [name for name, is_set in flags.items() if is_set]


def _share(application: Torpor, parent: ProcessEnd, *, as_told: bool) -> None:
    """
    Tell the parent if nobody can share this work; refuse that if several processes were asked for by number.

    Raises:
        ConfigurationError: they were.
    """
    try:
        application.require_shareable()
    except ConfigurationError as error:
        if as_told:
            raise
        parent.tell(Alone(str(error)))


async def _work(
    application: Torpor,
    describer: Describer | None,
    stop: StopRequest,
    parent: ProcessEnd | None,
    ceiling: int | None,
    *,
    tells_end: bool,
) -> None:
    """Run a worker until it is to stop."""
    observers = [] if describer is None else [only(describer.observe, Stored)]
    async with application, describer or contextlib.nullcontext(), application.worker(observers=observers) as running:
        if ceiling is not None:
            bounds.require_room(ceiling)
        if parent is not None:
            parent.tell(AtWork(running.id, running.deployment_id, application.settings.grace_seconds))
        say((f"worker {running.id} is at work: {_inventory(application)}", "dim"), err=True)
        if not application.world.capabilities.durable:
            say(("this world ends with this process, and no other process sees it", "yellow"), err=True)
        grace = application.settings.grace_seconds
        if ceiling is None:
            await stop.wait()
        elif (why := await _until(stop, ceiling)) is not None:
            say((f"worker {running.id}: {why}", "yellow"), err=True)
        if tells_end:
            say((f"stopping: runs are parked, running steps have {grace:g} s to end", "dim"), err=True)
    leave_soon()


async def _until(stop: StopRequest, ceiling: int) -> str | None:
    """Return None once the worker is to stop, or why it has to when it has outgrown its memory."""
    waiting = asyncio.ensure_future(stop.wait())
    growing = asyncio.ensure_future(bounds.outgrown(ceiling))
    try:
        await asyncio.wait({waiting, growing}, return_when=asyncio.FIRST_COMPLETED)
        return None if waiting.done() else growing.result()
    finally:
        waiting.cancel()
        growing.cancel()


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
    steps = len(app.step_names()) + sum(map(_is_authors, app.names.carried_names()))
    return f"{counted(workflows, 'workflow')}, {counted(steps, 'step')}, world {app.world.url}"


def _is_authors(step: str) -> bool:
    """Return whether a step of another language stands in the project itself, and not in a package that it has."""
    return step.startswith("step//./") and "/node_modules/" not in step
