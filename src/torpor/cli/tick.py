"""``torpor tick``: work off what is ready, and end."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from torpor import Torpor
from torpor.cli import logs
from torpor.cli.opening import app_on, require_durable
from torpor.cli.options import AppArgument, JsonOption, WorldOption
from torpor.cli.output import counted, print_json, say
from torpor.cli.reporting import command
from torpor.durations import milliseconds_at
from torpor.inspection.timestamps import clock_text, iso
from torpor.ticking import Tick


@command
def tick(
    app: AppArgument = None,
    budget: Annotated[
        str, typer.Option("--budget", metavar="TIME", help="How long it works at most, such as 50s.")
    ] = "10s",
    log_level: logs.LogLevelOption = None,
    log_format: logs.LogFormatOption = "text",
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Work off what is ready, say when the next tick is due, and end.

    The application's @app.wake function is asked to see to that tick. Steps that still run when
    the budget is spent have the application's grace_seconds to end. For cron and functions; torpor worker goes on.

    Example: torpor tick app.py --budget 50s
    """
    logs.check(log_level, log_format)
    application = app_on(app, world)
    require_durable(application.world)
    logs.set_up(log_level, log_format, follow=False)
    done = asyncio.run(_tick(application, budget))
    due = None if done.next_at is None else milliseconds_at(done.next_at)
    if json:
        print_json({"runs": done.runs, "next_at": None if due is None else iso(due), "more": done.more})
        return
    advanced = f"{counted(done.runs, 'run')} went on"
    if done.more:
        say(f"{advanced}; the budget is spent and work is left, so another tick is due at once")
    elif due is None:
        say(f"{advanced}; no tick is due before something comes from outside")
    else:
        say(f"{advanced}; the next tick is due at {clock_text(due)}")


async def _tick(application: Torpor, budget: str) -> Tick:
    async with application:
        return await application.tick(budget=budget)
