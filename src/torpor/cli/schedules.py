"""``torpor schedules …``: what starts runs by the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import counted, print_json, say, show_table
from torpor.cli.reporting import FAILED, command
from torpor.cli.start import VALUE_HELP, value_of
from torpor.client import Client
from torpor.durations import read_when
from torpor.errors import UsageError
from torpor.inspection.timestamps import clock_text, iso, span_text
from torpor.programs.catalogue import short_name
from torpor.schedules import ScheduleInfo, Schedules

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule; torpor schedules list shows it.")]
AppNameOption = Annotated[
    str | None, typer.Option("--app-name", metavar="NAME", help="Of which application it is, where several have one.")
]
OVERLAPS = "skip (the default), buffer, cancel or allow"


@command
def list_schedules(
    app: AppOption = None, app_name: AppNameOption = None, world: WorldOption = None, json: JsonOption = False
) -> None:
    """
    List schedules, and when each starts its next run.

    Example: torpor schedules list
    """
    found = with_client(app, world, lambda client: Schedules(client).list(), of_app=app_name)
    if json:
        print_json([_data(info) for info in found])
        return
    if not found:
        say("no schedule; make one with: torpor schedules create NAME WORKFLOW --cron '0 9 * * *'", err=True)
        return
    show_table(
        "name",
        "workflow",
        "when",
        "next",
        "last",
        rows=[(info.name, short_name(info.workflow), _when(info), _next(info), _time(info.last_at)) for info in found],
        free=frozenset({"when"}),
    )
    for info in found:
        if info.problem:
            say((f"schedule {info.name}: {info.problem}", "yellow"), err=True)


@command
def show_schedule(
    name: NameArgument,
    count: Annotated[int, typer.Option("--next", "-n", min=0, max=100, help="How many coming slots to show.")] = 5,
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Show a schedule, and when it starts its next runs.

    Example: torpor schedules show nightly --next 10
    """

    async def read(client: Client) -> tuple[ScheduleInfo, list[int]]:
        schedules = Schedules(client)
        return await schedules.get(name), await schedules.upcoming(name, count)

    info, coming = with_client(app, world, read, of_app=app_name)
    if json:
        print_json({**_data(info), "upcoming": [iso(slot) for slot in coming]})
        return
    say((info.name, "bold"), "  ", _state(info))
    rows = {
        "workflow": info.workflow,
        "application": info.app,
        "when": _when(info),
        "jitter": span_text(info.jitter_ms) if info.jitter_ms else "",
        "overlap": info.overlap,
        "catch-up": counted(info.catch_up, "missed slot"),
        "slot as": info.slot_as,
        "last run": f"{info.last_run}  for {_time(info.last_at)}" if info.last_run else "",
        "waiting": f"the slot of {_time(info.waiting)}, for the last run's end" if info.waiting else "",
        "skipped": counted(info.skipped, "slot") if info.skipped else "",
        "note": info.note,
        "problem": info.problem,
    }
    for label, text in rows.items():
        if text:
            say((f"  {label:<12}", "dim"), (text, "yellow" if label == "problem" else ""))
    for n, slot in enumerate(coming):
        local = f"  {_local(slot, info.zone)}" if info.zone not in ("", "UTC") else ""
        say((f"  {'next' if n == 0 else '':<12}", "dim"), clock_text(slot), (local, "dim"))


@command
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called in its application.")],
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its short or full name.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARG]", help=f"Its arguments, each {VALUE_HELP}")
    ] = None,
    cron: Annotated[
        str | None, typer.Option("--cron", metavar="CRON", help="Such as '30 9 * * MON-FRI' or @daily.")
    ] = None,
    zone: Annotated[
        str, typer.Option("--zone", metavar="ZONE", help="Time zone of --cron, such as Europe/Berlin.")
    ] = "UTC",
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="An interval, such as 15m, instead of --cron.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="One moment with its zone, instead of --cron.")
    ] = None,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="POLICY", help=f"While the run before it goes on: {OVERLAPS}.")
    ] = "skip",
    catch_up: Annotated[
        int, typer.Option("--catch-up", metavar="N", help="How many missed slots are made up for, the newest.")
    ] = 1,
    jitter: Annotated[
        str | None, typer.Option("--jitter", metavar="DURATION", help="Start each run up to so much later.")
    ] = None,
    slot_as: Annotated[
        str, typer.Option("--slot-as", metavar="PARAMETER", help="The parameter that gets the slot as a datetime.")
    ] = "",
    paused: Annotated[bool, typer.Option("--paused", help="Start nothing before torpor schedules unpause.")] = False,
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
) -> None:
    """
    Make a schedule that starts runs of a workflow.

    A worker must have brought the workflow before.

    Example: torpor schedules create nightly report --cron '0 2 * * *' --zone Europe/Berlin
    """
    values = [value_of(text) for text in arguments or ()]
    options: dict[str, Any] = {
        "cron": cron,
        "zone": zone,
        "every": every,
        "at": at,
        "overlap": overlap,
        "catch_up": catch_up,
        "jitter": jitter or 0,
        "slot_as": slot_as,
    }

    async def make(client: Client) -> ScheduleInfo:
        return await Schedules(client).create(name, workflow, *values, paused=paused, **options)

    info = with_client(app, world, make, of_app=app_name)
    say(f"{info.name}: next {_next(info)}")


@command
def pause(
    name: NameArgument,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for those who look at it.")] = "",
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start nothing any more, until it is unpaused.

    Example: torpor schedules pause nightly --note 'until the database has moved'
    """
    info = with_client(app, world, lambda client: Schedules(client).pause(name, note), of_app=app_name)
    say(f"{info.name}: paused")


@command
def unpause(
    name: NameArgument, app: AppOption = None, app_name: AppNameOption = None, world: WorldOption = None
) -> None:
    """
    Go on with the next slot.

    Slots that passed meanwhile begin no runs.

    Example: torpor schedules unpause nightly
    """
    info = with_client(app, world, lambda client: Schedules(client).unpause(name), of_app=app_name)
    say(f"{info.name}: next {_next(info)}")


@command
def trigger(
    name: NameArgument,
    overlap: Annotated[
        str | None, typer.Option("--overlap", metavar="POLICY", help="In place of its own, such as allow.")
    ] = None,
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start a run now, beside its slots, and print the run's id.

    Example: torpor schedules trigger nightly
    """
    policy: Any = overlap
    run = with_client(app, world, lambda client: Schedules(client).trigger(name, overlap=policy), of_app=app_name)
    if run is None:
        say(f"no run was started: the last one of {name} goes on; --overlap allow starts one all the same", err=True)
        raise typer.Exit(FAILED)
    say(run.id)


@command
def backfill(
    name: NameArgument,
    begin: Annotated[
        str, typer.Argument(metavar="FROM", help="A time with its zone, such as 2026-11-21T00:00Z, or 3h: so long ago.")
    ],
    end: Annotated[str, typer.Argument(metavar="TO", help="The same; now by default.")] = "0s",
    app: AppOption = None,
    app_name: AppNameOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start the runs of all slots of a time that is over.

    Their ids are printed. A slot that has its run gets no second one, so that this may be repeated.

    Example: torpor schedules backfill nightly 2026-11-01T00:00Z 2026-11-21T00:00Z
    """

    async def fill(client: Client) -> list[str]:
        now = client.world.clock.now()
        moments = _moment(begin, now), _moment(end, now)
        return [run.id for run in await Schedules(client).backfill(name, *moments)]

    for run_id in with_client(app, world, fill, of_app=app_name):
        say(run_id)


@command
def delete(
    name: NameArgument, app: AppOption = None, app_name: AppNameOption = None, world: WorldOption = None
) -> None:
    """
    Forget a schedule; its runs go on.

    One that code declares comes back with the next worker that begins.

    Example: torpor schedules delete nightly
    """
    with_client(app, world, lambda client: Schedules(client).delete(name), of_app=app_name)
    say(f"{name}: deleted")


def _moment(text: str, now: int) -> datetime:
    try:
        read = read_when(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return datetime.fromtimestamp((now - abs(read)) / 1000, UTC) if isinstance(read, int) else read


# Printed


def _when(info: ScheduleInfo) -> str:
    if info.cron:
        return f"{info.cron}  {info.zone}"
    return f"every {span_text(info.every_ms)}" if info.every_ms else f"at {clock_text(info.at)}"


def _next(info: ScheduleInfo) -> str:
    return "paused" if info.paused else _time(info.next_at)


def _local(slot: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(slot / 1000, ZoneInfo(zone)):%a %H:%M} in {zone}"


def _state(info: ScheduleInfo) -> tuple[str, str]:
    if info.paused:
        return "paused", "yellow"
    return ("live", "green") if info.next_at or info.waiting else ("over", "dim")


def _time(at: int | None) -> str:
    return clock_text(at) if at else "-"


def _data(info: ScheduleInfo) -> dict[str, Any]:
    times = {name: iso(getattr(info, name) or 0) for name in ("next_at", "waiting", "last_at", "created_at", "at")}
    return {**msgspec.to_builtins(info), **times}
