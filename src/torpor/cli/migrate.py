"""``torpor migrate``: bring a world's schema up to date, or say whether that is due."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from torpor.cli.opening import found_world
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import counted, print_json, say
from torpor.cli.reporting import FAILED, command
from torpor.world import World
from torpor.worlds import address_of
from torpor.worlds.schemas import pending_migrations


@command
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 when something is due.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Bring the world's schema up to date.

    Whatever opens a world does so by itself; this command is for deploys whose workers may not change the schema.
    Migrations only go forward, in one transaction.

    Example: torpor migrate --check --world postgres://torpor@db/shop
    """
    found = found_world(app, world)
    due = pending_migrations(address_of(found))
    if due and not check:
        asyncio.run(_open(found))
    if json:
        print_json({"world": found.url, "pending": due if check else [], "done": [] if check else due})
    elif not due:
        say(f"the schema of {found.url} is up to date")
    else:
        say(f"{counted(len(due), 'migration')} {'due' if check else 'done'} in {found.url}: {', '.join(due)}")
    if due and check:
        raise typer.Exit(FAILED)


async def _open(world: World) -> None:
    await world.open()
    await world.close()
