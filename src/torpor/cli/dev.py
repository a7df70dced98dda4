"""``torpor dev``: a worker that begins anew when the application's files change."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from watchfiles import Change, DefaultFilter, awatch

from torpor.cli import logs
from torpor.cli.loading import is_project, required_target
from torpor.cli.options import AppArgument, DecryptOption, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest
from torpor.cli.supervising import worker_command
from torpor.errors import ConfigurationError, UsageError
from torpor.processes.child import ending_text
from torpor.programs.languages import LANGUAGES

SUFFIXES = (
    *(".py", ".json", ".tsx", ".jsx", ".cts", ".cjs"),
    *(suffix for language in LANGUAGES.values() for suffix in language.suffixes),
)
"""Endings of the files that an application is made of."""

STOP_SECONDS_MAX = 30
"""How long a worker that is to be replaced may take to park its runs; longer than its own grace period."""

RESTART_SECONDS: Final = 1.0
"""Pause before a worker that was killed is started again, so that one that always dies does not keep a core busy."""

Changes = set[tuple[Change, str]]


@command
def dev(
    app: AppArgument = None,
    watch: Annotated[
        list[Path] | None,
        typer.Option("--watch", metavar="FOLDER", exists=True, help="Watch this folder besides the application's."),
    ] = None,
    sdk: Annotated[
        Path | None,
        typer.Option("--sdk", metavar="PROJECT", exists=True, help="Work on this Workflow SDK project's runs."),
    ] = None,
    log_level: logs.LogLevelOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
) -> None:
    """
    Work on runs, show what they do, reload when files change.

    A change of a .py file or a workflow file parks all runs; the worker begins anew and goes on with them. A project of
    the Workflow SDK is built anew, too.

    Example: torpor dev app.py
    """
    logs.check(log_level)
    app = app if sdk is None else _project(app, sdk)
    target = required_target(app)
    folders = [target.folder, *(folder.resolve() for folder in watch or ())]
    say((f"watching {', '.join(map(str, folders))}", "dim"), err=True)
    # The worker finds the same files by the same name, or as this command has found them: it has our working folder.
    arguments = [*([] if app is None else [app]), "--follow", "--processes", "1"]
    if world is not None:
        arguments += ["--world", world]
    if log_level is not None:
        arguments += ["--log-level", log_level]
    if decrypt:
        arguments.append("--decrypt")
    asyncio.run(_watch(target.folder, arguments, folders, StopRequest()))


def _project(app: str | None, project: Path) -> str:
    """
    Return the application that a project of the Workflow SDK is.

    Raises:
        UsageError: another one is named.
        ConfigurationError: it is no such project.
    """
    if app is not None:
        raise UsageError(f"give an application or --sdk, not both; in {app} you may write app.sdk({str(project)!r})")
    if not is_project(project):
        raise ConfigurationError(f'{project} is no project of the Workflow SDK: its package.json names no "workflow"')
    return str(project)


async def _watch(folder: Path, arguments: list[str], folders: list[Path], stop: StopRequest) -> None:
    """Run workers until it is to stop."""
    ended = asyncio.Event()
    changes = awatch(*folders, watch_filter=_Sources(), stop_event=ended, ignore_permission_denied=True)
    try:
        await _Dev(folder, arguments, changes, stop).run()
    finally:
        ended.set()
        await changes.aclose()


class _Sources(DefaultFilter):
    """Files that an application is made of, outside folders that tools keep for themselves."""

    def __call__(self, change: Change, path: str) -> bool:
        return path.endswith(SUFFIXES) and super().__call__(change, path)


class _Dev:
    """
    One worker process after another, each until the next change.

    Args:
        folder: the application's.
        arguments: of the worker.
        changes: yields what changed.
        stop: tells when to stop.
    """

    def __init__(self, folder: Path, arguments: list[str], changes: AsyncIterator[Changes], stop: StopRequest) -> None:
        self._folder = folder
        self._arguments = arguments
        self._changes = changes
        self._stop = stop
        self._line: socket.socket | None = None  # to the worker

    async def run(self) -> None:
        """Return when a stop was asked for and the last worker has parked its runs."""
        stopping = asyncio.ensure_future(self._stop.wait())
        changing = asyncio.ensure_future(anext(self._changes))
        try:
            while not stopping.done():
                worker = await self._start()
                ending = asyncio.ensure_future(worker.wait())
                await asyncio.wait({stopping, changing, ending}, return_when=asyncio.FIRST_COMPLETED)
                if ending.done() and not stopping.done() and not changing.done():
                    pause = _tell_end(ending.result())
                    await asyncio.wait({stopping, changing}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                await self._end(worker)
                if changing.done() and not stopping.done():
                    say((f"changed: {self._names(changing.result())}", "cyan"), err=True)
                    changing = asyncio.ensure_future(anext(self._changes))
        finally:
            for waiting in (stopping, changing):
                waiting.cancel()
            await asyncio.wait((stopping, changing))

    async def _start(self) -> asyncio.subprocess.Process:
        """Start a worker, which stops when the line to it ends: with us, if not before."""
        self._line, theirs = socket.socketpair()
        with theirs:
            command = worker_command(self._arguments, theirs.fileno())
            worker = await asyncio.create_subprocess_exec(*command, pass_fds=(theirs.fileno(),))
        self._stop.at_once = partial(_kill, worker)
        return worker

    async def _end(self, worker: asyncio.subprocess.Process) -> None:
        """Let the worker park its runs; one that does not is killed, and the next one takes them over."""
        assert self._line is not None, "it is the end of a worker that was started"
        with self._line as line:
            if worker.returncode is None:
                line.shutdown(socket.SHUT_WR)
                await self._wait(worker)

    async def _wait(self, worker: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS_MAX):
                await worker.wait()
        except TimeoutError:
            say((f"the worker did not stop within {STOP_SECONDS_MAX} s and is killed", "yellow"), err=True)
            worker.kill()
            await worker.wait()

    def _names(self, changes: Changes) -> str:
        return ", ".join(sorted({os.path.relpath(path, self._folder) for _, path in changes}))


def _tell_end(code: int) -> float | None:
    """Say how a worker ended that was not told to; return the seconds until the next one, None to wait for a change."""
    if code >= 0:
        say(("the worker has ended; waiting for a change", "yellow"), err=True)
        return None
    say((f"the worker {ending_text(code)}; starting it again in {RESTART_SECONDS:g} s", "yellow"), err=True)
    return RESTART_SECONDS


def _kill(worker: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        worker.kill()
