"""``torpor move``: a whole world, or some runs of it, into another one."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from torpor.capsules.moving import Move, Plan
from torpor.capsules.moving import Progress as Moved
from torpor.cli.opening import refuse_missing_file, require_durable, world_is_missing
from torpor.cli.options import JsonOption
from torpor.cli.output import console, counted, print_json, say
from torpor.cli.reporting import FAILED, command
from torpor.errors import UsageError
from torpor.worlds import open_world
from torpor.worlds.memory import MemoryWorld


@command
def move(
    start: Annotated[str, typer.Option("--from", metavar="URL", help="The world that is left.")],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The world that it goes to.")],
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN…]", help="Only these runs; without it all, and schedules.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Move a world, or some runs of it, into another one.

    Runs with all that belongs to them, ended ones too, schedules, limits of queues, tenants with what they have used,
    deployments and programs. Workers
    may be at work in both worlds: a run crosses when nobody works on it, and goes on where it arrives; nothing of it
    happens twice. Of a run that has left its name stays, and says where it went. Interrupted at any moment, the same
    command goes on.

    Example: torpor move --from sqlite:///torpor.db --to postgres://torpor@db.example.com/torpor
    """
    if start == to:
        raise UsageError("--from and --to are one world; name two")
    refuse_missing_file(start)
    done = asyncio.run(_carry_out(start, to, runs or [], dry_run=dry_run, quiet=json))
    if isinstance(done, Plan):
        _show_plan(done, json)
        return
    _show(done, json)
    if done.stayed:
        raise typer.Exit(FAILED)


async def _carry_out(source: str, target: str, runs: list[str], *, dry_run: bool, quiet: bool) -> Plan | Moved:
    here = open_world(source)
    there = MemoryWorld() if dry_run and world_is_missing(target) else open_world(target)  # to look makes no file
    require_durable(here)
    if not dry_run:
        require_durable(there)
    await here.open()
    try:
        await there.open()
        try:
            moving = Move(here, there, runs)
            plan = await moving.plan()
            return plan if dry_run else await _shown(moving, plan, quiet=quiet)
        finally:
            await there.close()
    finally:
        await here.close()


async def _shown(moving: Move, plan: Plan, *, quiet: bool) -> Moved:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    screen = console(sys.stderr)
    with Progress(*columns, console=screen, disable=quiet or not screen.is_terminal) as bar:
        shown = bar.add_task("runs", total=sum(plan.runs.values()))

        def told(progress: Moved) -> None:
            waits = f"runs, {progress.busy} at work" if progress.busy else "runs"
            bar.update(shown, completed=sum(progress.moved.values()), description=waits)

        moving.tell(told)
        return await moving.carry_out()


def _show_plan(plan: Plan, json: bool) -> None:
    if json:
        told = {"runs": plan.runs, "taken": plan.taken, "schedules": plan.schedules, "queues": plan.queues}
        print_json({**told, "tenants": plan.tenants})
        return
    say(f"{_runs(plan.runs)} would move, {_others(plan)}")
    for run_id in plan.taken:
        say((f"run {run_id} would stay: there is one of its id in the other world", "yellow"))


def _show(done: Moved, json: bool) -> None:
    if json:
        about: dict[str, Any] = {
            "moved": done.moved,
            "stayed": done.stayed,
            "schedules": done.schedules,
            "queues": done.queues,
            "tenants": done.tenants,
            "deployments": done.deployments,
            "awaits_elsewhere": done.awaited,
        }
        print_json(about)
        return
    say(f"{_runs(done.moved)} moved, {_others(done)}")
    for what, why in done.stayed.items():
        say((f"{what} stays: {why}", "yellow"), err=True)
    for run_id in done.awaited:
        say((f"runs that moved wait for the end of run {run_id}, which is not there", "yellow"), err=True)


def _others(told: Plan | Moved) -> str:
    queues, tenants = counted(told.queues, "queue"), counted(told.tenants, "tenant")
    return f"{counted(told.schedules, 'schedule')}, limits of {queues}, {tenants}"


def _runs(statuses: Counter[str]) -> str:
    told = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    return f"{counted(sum(statuses.values()), 'run')}{f' ({told})' if told else ''}"
