"""``torpor worker`` with several processes: this one starts them, passes on what they print, and works on no run."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Final

from torpor.cli.output import say
from torpor.cli.stopping import StopRequest
from torpor.errors import UsageError
from torpor.processes.cores import available_cores
from torpor.processes.supervisor import Supervisor

AUTO: Final = "auto"
REPLACE: Final = signal.SIGUSR1
"""Replaces the processes, one after the other, by new ones."""


def process_count(text: str) -> int:
    """
    Return how many processes an option asks for.

    Raises:
        UsageError: it is no number of processes.
    """
    if text == AUTO:
        return available_cores()
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise UsageError(
            f"--processes {text!r} is no number of processes; give 1 or more, or {AUTO}: one for each core"
        )
    return int(text)


def worker_command(arguments: Sequence[str], line: int) -> list[str]:
    """
    Return the command line of a worker with a parent.

    Args:
        arguments: of ``torpor worker``.
        line: descriptor of its end of the line to its parent.
    """
    return [sys.executable, "-P", "-m", "torpor.cli", "worker", *arguments, "--line", str(line)]


def supervise(arguments: Sequence[str], count: int) -> int:
    """Keep so many processes with these arguments at work until told to stop; return the exit code."""
    supervisor = Supervisor(lambda line: worker_command(arguments, line), count, _tell)
    stop = StopRequest()
    stop.at_once = supervisor.kill
    return asyncio.run(_supervise(supervisor, stop))


async def _supervise(supervisor: Supervisor, stop: StopRequest) -> int:
    loop = asyncio.get_running_loop()
    replacing = asyncio.Lock()
    tasks: set[asyncio.Task[None]] = set()

    async def replace() -> None:
        async with replacing:
            _tell("replacing the worker processes, one after the other")
            if await supervisor.replace():
                _tell("the worker processes are replaced")

    def ask_to_replace() -> None:
        task = loop.create_task(replace())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def obey() -> None:
        await stop.wait()
        graces = {work.grace_seconds for work in supervisor.at_work}
        within = f", running steps have {max(graces):g} s to end" if graces else ""
        _tell(f"stopping: runs are parked{within}")
        supervisor.ask_to_stop()

    loop.add_signal_handler(REPLACE, ask_to_replace)
    obeying = loop.create_task(obey())
    try:
        return await supervisor.run()
    finally:
        for task in (obeying, *tasks):
            task.cancel()


def _tell(sentence: str) -> None:
    say((sentence, "dim"), err=True)
