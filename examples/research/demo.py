"""
A folder of texts, two hundred steps at once, and a worker that is killed when half of them are done.

    python -m examples.research.demo

The texts are this project's own documentation. The work is done by a worker process, which gets SIGKILL; the next one
goes on. In the end the same workflow function is called as the plain function that it is, without Torpor, and must
return the same; otherwise the demo exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.orders.demo import clear_folder
from examples.orders.measure import Executions, Log, executions
from examples.orders.processes import Process, ProcessDiedError
from torpor import RunHandle

if TYPE_CHECKING:
    from examples.research.app import Report  # at run time it reads its settings as it is imported

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LOOK_SECONDS = 0.02
DEMO_SECONDS_MAX = 120.0


class Demo:
    """
    One performance.

    Args:
        folder: for everything that it stores; empty.
        texts: the folder that is read.
        passages: into about how many pieces.
        console: where it is shown.
    """

    def __init__(self, folder: Path, texts: Path, passages: int, console: Console) -> None:
        self._folder = folder
        self._texts = str(texts)
        self._passages = passages
        self._console = console
        self._log: Log = []

    async def play(self) -> bool:
        """Perform, print what was found out, and return whether the result is right."""
        os.environ["TORPOR_WORLD"] = f"sqlite:///{self._folder / 'torpor.db'}"
        example = importlib.import_module(
            "examples.research.app"
        )  # not before: it reads its settings as it is imported
        with ExitStack() as processes:
            async with example.app as app:
                await app.store_programs()  # the first time on a machine, CPython is compiled here
                worker = processes.enter_context(self._worker())
                began = time.monotonic()
                run = await app.start(example.research, self._texts, passages=self._passages)
                self._say(f"worker {worker.pid} reads {self._texts}")
                await self._until_half_is_read(run, worker)
                worker.kill()
                self._log = await run.events()
                under_way = executions([self._log]).steps - self._ended
                self._say(
                    f"worker {worker.pid} killed (SIGKILL): {self._ended} steps were done, {under_way} under way",
                    alarm=True,
                )
                successor = processes.enter_context(self._worker())
                self._say(f"worker {successor.pid} was started")
                async with asyncio.timeout(DEMO_SECONDS_MAX):
                    report = await run.result()
                seconds = time.monotonic() - began
                self._log = await run.events()
        self._console.print()
        self._console.print(findings(report))
        self._console.print(measures(executions([self._log]), seconds))
        undisturbed = await example.research(self._texts, passages=self._passages)
        return self._verdict(report == undisturbed)

    @property
    def _ended(self) -> int:
        return sum(event.type == "step_completed" for event in self._log)

    async def _until_half_is_read(self, run: RunHandle, worker: Process) -> None:
        """Follow the run's log until half of its steps are done."""
        async with asyncio.timeout(DEMO_SECONDS_MAX):
            while self._ended <= 1 or self._ended < executions([self._log]).steps / 2:
                worker.check()
                self._log += await run.events(after=len(self._log))
                await asyncio.sleep(LOOK_SECONDS)

    def _worker(self) -> Process:
        arguments = ("-m", "torpor.cli", "worker", "examples.research.app", "-p", "1")
        return Process("worker", arguments, folder=self._folder, cwd=ROOT, environment=os.environ)

    def _say(self, text: str, *, alarm: bool = False) -> None:
        self._console.print(Text(text, style="bold red" if alarm else ""), soft_wrap=True)

    def _verdict(self, is_right: bool) -> bool:
        told = "the same function without Torpor, and without a kill, returned the same"
        if is_right:
            self._console.print(Text(f"Right: {told}.", style="bold green"))
        else:
            self._console.print(Text(f"Something is wrong: {told} no more.", style="bold red"))
        return is_right


def findings(report: Report) -> Table:
    """Return the result as a table."""
    title = f"{report.words:,} words of {report.texts} texts, in {report.passages} passages"
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("term", no_wrap=True)
    for column in ("count", "texts", "score"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("the line that has it first", ratio=1, no_wrap=True, overflow="ellipsis")
    for found in report.findings:
        facts = (str(found.count), str(found.texts), f"{found.score:.2f}")
        table.add_row(Text(found.term, style="bold"), *facts, Text(found.quote))
    return table


def measures(done: Executions, seconds: float) -> Table:
    """Return what it took, as counted in the run's own log."""
    table = Table.grid(padding=(0, 2))
    rows = (
        ("steps", f"{done.steps}, begun {done.started} times"),
        ("steps that ran twice", f"{done.repeated}, because they were under way when the worker was killed"),
        ("elapsed", f"{seconds:.1f} s"),
    )
    for name, value in rows:
        table.add_row(Text(name, style="bold"), value)
    return table


def main() -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.research.demo", description="A fan-out that is killed.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo" / "research", help="for all files; made anew")
    parser.add_argument("--texts", type=Path, default=ROOT, help="the folder that is read (this project)")
    parser.add_argument("--passages", type=int, default=200, help="into about how many pieces (200)")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        demo = Demo(clear_folder(arguments.folder), arguments.texts, arguments.passages, console)
        return 0 if asyncio.run(demo.play()) else 1
    except KeyboardInterrupt:
        console.print("interrupted; all processes have ended")
        return 130
    except (ProcessDiedError, FileExistsError, TimeoutError) as error:
        console.print(str(error) or f"not finished after {DEMO_SECONDS_MAX:.0f} s", markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
