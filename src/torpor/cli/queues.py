"""``torpor queues …``: how much goes on at once, and in a while."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show_table
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.model.flow import QueueInfo
from torpor.queues import UNSET, Queues, limits_text, rate_text

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the queue.")]
AppNameOption = Annotated[
    str | None, typer.Option("--app-name", metavar="NAME", help="Of which application it is, where several have one.")
]


@command
def list_queues(
    app: AppOption = None, app_name: AppNameOption = None, world: WorldOption = None, json: JsonOption = False
) -> None:
    """
    List queues: what they allow, what goes on and what waits.

    Example: torpor queues list
    """
    found = with_client(app, world, lambda client: Queues(client).list(), of_app=app_name)
    if json:
        print_json([_data(info) for info in found])
        return
    if not found:
        say("no queue is in use; limit one with: torpor queues set NAME --concurrency 10", err=True)
        return
    show_table(
        "queue",
        "application",
        "held",
        "waiting",
        "limits",
        rows=[
            (info.name, info.app or "-", str(info.held), str(info.waiting), limits_text(info.limits)) for info in found
        ],
        right=frozenset({"held", "waiting"}),
        free=frozenset({"limits"}),
    )


@command
def set_queue(
    name: NameArgument,
    concurrency: Annotated[
        int,
        typer.Option("--concurrency", metavar="N", help="How many runs and steps go on at once.", show_default=False),
    ] = UNSET,
    per_worker: Annotated[
        int, typer.Option("--per-worker", metavar="N", help="How many of them at one worker.", show_default=False)
    ] = UNSET,
    per_key: Annotated[
        int, typer.Option("--per-key", metavar="N", help="How many of them of one key.", show_default=False)
    ] = UNSET,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="RATE", help="How much begins in a while: 10/s or 5000/m.")
    ] = None,
    asleep: Annotated[
        str | None,
        typer.Option("--asleep", metavar="WHAT", help="Whether a sleeping run keeps its slot: hold or give_back."),
    ] = None,
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
) -> None:
    """
    Say what a queue allows.

    What is not given stays as it was, and 0 takes a limit away. Runs and steps that go on are left alone.

    Example: torpor queues set mail --concurrency 10 --rate 100/m
    """
    policy: Any = asleep

    async def change(client: Client) -> QueueInfo:
        return await Queues(client).set(
            name, concurrency=concurrency, per_worker=per_worker, per_key=per_key, rate=rate, asleep=policy
        )

    info = with_client(app, world, change, of_app=app_name)
    say(f"{info.name}: {limits_text(info.limits)}")


@command
def delete(
    name: NameArgument, app: AppOption = None, app_name: AppNameOption = None, world: WorldOption = None
) -> None:
    """
    Take all limits away from a queue.

    Example: torpor queues delete mail
    """
    with_client(app, world, lambda client: Queues(client).delete(name), of_app=app_name)
    say(f"{name}: no limits")


def _data(info: QueueInfo) -> dict[str, Any]:
    limits = info.limits
    return {
        "name": info.name,
        "app": info.app,
        "held": info.held,
        "waiting": info.waiting,
        "concurrency": limits.concurrency or None,
        "per_worker": limits.per_worker or None,
        "per_key": limits.per_key or None,
        "rate": rate_text(limits) or None,
        "asleep": limits.asleep,
    }
