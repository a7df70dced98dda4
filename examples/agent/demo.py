"""
A research agent with three tools and an approval, whose worker is killed twice, and whose model goes down with it once.

    python -m examples.agent.demo

The model is a server of its own, which speaks OpenAI's protocol and writes down every request. In the end its book must
show that each answer was asked for once: by the run, and by a fork of it in which the person refuses. Otherwise the
demo says what is wrong, and exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.orders.demo import clear_folder
from examples.orders.processes import Process, ProcessDiedError
from torpor import RunFailedError, RunHandle, RunInfo

if TYPE_CHECKING:
    from examples.agent.app import Report  # at run time it reads its settings as it is imported
    from torpor.agents import AgentResult

ROOT = Path(__file__).parents[2]
QUESTION = "How do runs survive, and how can they be forked?"
LOOK_SECONDS = 0.05
DEMO_SECONDS_MAX = 150.0
_WIDTH = 70  # beside the time


class Demo:
    """
    One performance.

    Args:
        folder: for everything that it stores; empty.
        console: where it is shown.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._book = folder / "requests.jsonl"
        self._began = time.monotonic()

    async def play(self) -> bool:
        """Perform, print what was found out, and return whether all is well."""
        port = _free_port()
        os.environ |= {
            "TORPOR_WORLD": f"sqlite:///{self._folder / 'torpor.db'}",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "OPENAI_API_KEY": "none",
            "PUBLISHED": str(self._folder / "published.txt"),
        }
        example = importlib.import_module("examples.agent.app")  # not before: it reads its settings as it is imported
        with ExitStack() as self._processes:
            async with example.app as app, asyncio.timeout(DEMO_SECONDS_MAX):
                await app.store_programs()  # the first time on a machine, CPython is compiled here
                model = self._model(port)
                worker = self._worker()
                run = await app.start(example.research, QUESTION)
                telling = asyncio.create_task(self._tell(run))

                await self._until(run, lambda info: _runs(info, "read"), worker)
                self._kill(worker, "while the agent reads")
                worker = self._worker()
                token = await self._asked(run, worker)
                self._kill(worker, "while the agent waits for a person")
                self._kill(model, "too: the model is down")

                worker = self._worker()
                await app.resume_hook(token, {"approved": True})
                self._say("a person agrees")
                await self._until(run, lambda info: _runs(info, "model", "retrying"), worker)
                self._model(port)
                result = await run.result()
                await telling
                paid = self._paid()

                fork = await self._fork(run)
                await app.resume_hook(await self._asked(fork, worker), {"approved": False, "reason": "not yet"})
                self._say("in the fork, the person refuses")
                other = await fork.result()
                facts = await self._facts([run, fork], [paid, self._paid() - paid])
        self._console.print()
        self._console.print(comparison(result, other, facts))
        return self._verdict(paid, result, other)

    async def _fork(self, run: RunHandle[AgentResult[Report]]) -> RunHandle[AgentResult[Report]]:
        """Let a copy go on from where the person was asked."""
        asked = next(event for event in await run.events() if event.type == "hook_created")
        fork = await run.fork(at=asked.seq)
        self._say(f"a fork goes on from event {asked.seq}, where the person was asked")
        return fork

    def _paid(self) -> int:
        return len(self._book.read_text().splitlines())

    async def _facts(self, runs: list[RunHandle[Any]], paid: list[int]) -> list[tuple[str, ...]]:
        logs = [await run.events() for run in runs]
        requests = [
            sum(event.type == "step_created" and event.name.endswith("//model") for event in log) for log in logs
        ]
        return [("requests in its log", *map(str, requests)), ("of these paid for", *map(str, paid))]

    # What happens meanwhile

    async def _tell(self, run: RunHandle[Any]) -> None:
        """Show what the run's stream is told."""
        said = ""
        async for chunk in run.stream():
            match chunk["type"]:
                case "text-delta":
                    said += chunk["delta"]
                case "text-end":
                    self._say(f"  model: {said}", style="cyan")
                    said = ""
                case "tool-input-available":
                    given = ", ".join(f"{name}={value!r}" for name, value in chunk["input"].items())
                    called = f"  model calls {chunk['toolName']}({given})"
                    self._say(called if len(called) <= _WIDTH else f"{called[: _WIDTH - 2]}…)", style="cyan")

    async def _asked(self, run: RunHandle[Any], worker: Process) -> str:
        info = await self._until(run, lambda info: any(each.kind == "hook" for each in info.waits_for), worker)
        return next(each.name for each in info.waits_for if each.kind == "hook")

    async def _until(self, run: RunHandle[Any], holds: Callable[[RunInfo], bool], worker: Process) -> RunInfo:
        while not holds(info := await run.info()):
            worker.check()
            if info.ended_at:
                await run.result()  # tells why, if it failed
                raise ProcessDiedError(f"run {run.id} ended too early")
            await asyncio.sleep(LOOK_SECONDS)
        return info

    # Who takes part

    def _worker(self) -> Process:
        worker = self._process("worker", "-m", "torpor.cli", "worker", "examples.agent.app", "-p", "1")
        self._say(f"worker {worker.pid} was started")
        return worker

    def _model(self, port: int) -> Process:
        server = ("-m", "torpor.testing.model_server", "examples.agent.brain:answer", "--port", str(port))
        model = self._process("model", *server, "--log", str(self._book))
        self._say(f"model server {model.pid} was started")
        return model

    def _process(self, name: str, *arguments: str) -> Process:
        made = Process(name, arguments, folder=self._folder, cwd=ROOT, environment=os.environ)
        return self._processes.enter_context(made)

    def _kill(self, process: Process, when: str) -> None:
        process.kill()
        self._say(f"process {process.pid} killed (SIGKILL) {when}", style="bold red")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(f"{time.monotonic() - self._began:5.1f} s ", Text(text, style=style), soft_wrap=True)

    def _verdict(self, paid: int, result: AgentResult[Report], other: AgentResult[Report]) -> bool:
        book = [json.loads(line) for line in self._book.read_text().splitlines()]
        asked = Counter(line["key"] for line in book)
        published = (self._folder / "published.txt").read_text().splitlines()
        wrong = []
        if set(asked.values()) != {1}:
            wrong.append(f"requests were made {max(asked.values())} times")
        if (paid, len(book)) != (4, 5):
            wrong.append(f"the run paid for {paid} answers in place of 4, both for {len(book)} in place of 5")
        if len(published) != 1 or not result.output.published or other.output.published:
            wrong.append(f"{len(published)} reports were published in place of 1")
        for complaint in wrong:
            self._console.print(Text(f"Something is wrong: {complaint}.", style="bold red"))
        if not wrong:
            told = f"the model's book has {len(book)} requests, each once; one report was published"
            self._console.print(Text(f"Right: {told}.", style="bold green"))
        return not wrong


def comparison(result: AgentResult[Report], other: AgentResult[Report], facts: list[tuple[str, ...]]) -> Table:
    """Return what came of the run and of its fork, side by side."""
    table = Table(title="The run, and the fork of it", title_justify="left", expand=True)
    for column in ("", "a person agreed", "in the fork, refused"):
        table.add_column(column, ratio=1 if column else None, overflow="fold")
    pair = result.output, other.output
    table.add_row("summary", *(each.summary for each in pair))
    table.add_row("published", *(each.published or "no" for each in pair))
    table.add_row("tokens", *(f"{each.usage.tokens:,}" for each in (result, other)))
    for row in facts:
        table.add_row(*row)
    return table


def _runs(info: RunInfo, step: str, status: str = "running") -> bool:
    return any((each.kind, each.name, each.status) == ("step", step, status) for each in info.waits_for)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def main() -> int:
    """Play the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.agent.demo", description="An agent that survives.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo" / "agent", help="for all files; made anew")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        return 0 if asyncio.run(Demo(clear_folder(arguments.folder), console).play()) else 1
    except KeyboardInterrupt:
        console.print("interrupted; all processes have ended")
        return 130
    except (ProcessDiedError, RunFailedError, FileExistsError, TimeoutError) as error:
        console.print(str(error) or f"not finished after {DEMO_SECONDS_MAX:.0f} s", markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
