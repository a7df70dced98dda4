"""``torpor inspect RUN --stack``: what a parked run waits for, and what its frames hold."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.text import Text
from rich.tree import Tree

from torpor.cli.output import line, say, show
from torpor.client import Client
from torpor.engine.parked import parked
from torpor.errors import UsageError
from torpor.model import Run
from torpor.programs import guests
from torpor.vm.guest import Frame, TaskStack


async def stack_of_run(client: Client, run_id: str, *, decrypt: bool) -> tuple[Run, list[TaskStack]]:
    """
    Return a run and its tasks, read from a copy of its VM that is thrown away.

    Raises:
        UsageError: the run is encrypted, and nobody has asked to *decrypt* it.
        TorporError: as :func:`torpor.engine.parked.parked` and :meth:`torpor.engine.parked.ParkedRun.stack`.
    """
    await refuse_encrypted(client, run_id, decrypt=decrypt)
    async with parked(client.world, guests(), run_id, client.clock, client.keyring) as copy:
        return copy.run, await copy.stack()


async def refuse_encrypted(client: Client, run_id: str, *, decrypt: bool) -> None:
    """
    Refuse to show the variables of an encrypted run to somebody who has not asked for it.

    Raises:
        UsageError: the run is encrypted, and *decrypt* is false.
        RunNotFoundError: no such run.
    """
    key = (await client.world.get_run(run_id)).key
    if key and not decrypt:
        raise UsageError(f"run {run_id} is encrypted (key {key}), and so are its variables; --decrypt shows them")


def stack_data(run: Run, tasks: list[TaskStack]) -> dict[str, Any]:
    """Return tasks as JSON data."""
    return {"run": run.id, "status": run.status, "tasks": msgspec.to_builtins(tasks)}


def show_stack(run: Run, tasks: list[TaskStack]) -> None:
    """Print the tasks as trees: a task below the one that waits for it, its frames outermost first."""
    say((run.id, "bold"), f"  {run.status}, looked at after event {run.head}; the run was not woken")
    names = {task.name for task in tasks}
    for task in tasks:
        if task.parent not in names:
            show(_branch(task, tasks, None))


def _branch(task: TaskStack, tasks: list[TaskStack], above: Tree | None) -> Tree:
    title = line(("task ", "dim"), (task.name, "bold"))
    if task.waits_for:
        title += line(("  waits for ", "dim"), (task.waits_for, "cyan"))
    tree = Tree(title) if above is None else above.add(title)
    for frame in task.frames:
        held = tree.add(_frame(frame))
        for variable in frame.variables:
            held.add(line((variable.name, "green"), " = ", variable.value))
    for child in tasks:
        if child.parent == task.name and child is not task:
            _branch(child, tasks, tree)
    return tree


def _frame(frame: Frame) -> Text:
    place = line((frame.function, "bold"), ("  ", ""), (f"{frame.file}:{frame.line}", "dim"))
    return place + line(f"  {frame.source.strip()}") if frame.source else place
