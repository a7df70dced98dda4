"""``torpor runs`` and ``torpor hooks``: which runs there are, and what of the outside they wait for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, cast, get_args

import msgspec
import typer
from rich.text import Text

from torpor.cli.opening import with_reader
from torpor.cli.options import AppOption, DecryptOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show_table, status_text
from torpor.cli.reporting import command
from torpor.clock import SystemClock
from torpor.durations import milliseconds
from torpor.engine.waiting import Unmet
from torpor.errors import UsageError
from torpor.inspection.details import RunSummary, summary_data
from torpor.inspection.readable import summary
from torpor.inspection.reading import Reader, WaitingHook, WaitingMailbox
from torpor.inspection.search import Search, search_all
from torpor.inspection.timestamps import clock_text, iso, span_text
from torpor.lifecycle import RunStatus
from torpor.run_info import Awaited, RunInfo

LIMIT_DEFAULT = 50
METADATA_CHARS_MAX = 200
PROGRESS_CHARS_MAX = 60

StatusOption = Annotated[
    str | None,
    typer.Option("--status", "-s", metavar="STATUS", help="Only runs in this state: " + ", ".join(get_args(RunStatus))),
]
WorkflowOption = Annotated[
    str | None,
    typer.Option("--workflow", "-w", metavar="NAME", help="Only runs of this workflow, by its short or full name."),
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME=VALUE", help="Only runs with this attribute; may be repeated."),
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]


@command
def runs(
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    attribute: AttributeOption = None,
    started: Annotated[
        str | None, typer.Option("--started", metavar="TIME", help="Only runs that started within it, such as 2h.")
    ] = None,
    ended: Annotated[
        str | None, typer.Option("--ended", metavar="TIME", help="Only runs that ended within it, such as 2h.")
    ] = None,
    error: Annotated[
        str, typer.Option("--error", metavar="TEXT", help="Only failed runs whose error says this, whatever its case.")
    ] = "",
    limit: LimitOption = LIMIT_DEFAULT,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="RUN", help="Continue after this run, the last one of the previous page."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    List runs, newest first, and what they wait for.

    Example: torpor runs --status failed --ended 2h --attribute customer=c-17
    """
    now = SystemClock().now()
    wanted = Search(
        status=parse_status(status),
        workflow=workflow,
        attributes=parse_attributes(attribute or ()),
        since=_back(started, now),
        ended_since=_back(ended, now),
        error=error,
        before=before,
        limit=limit,
    )

    async def listed(reader: Reader) -> tuple[list[RunInfo], list[RunSummary], list[Unmet], str]:
        found = await search_all(reader, wanted)
        return found, await reader.summaries(found) if json else [], await reader.unmet(), reader.url

    found, summaries, unmet, url = with_reader(app, world, listed, decrypt=decrypt)
    if json:
        print_json([summary_data(summary) for summary in summaries])
        return
    if found:
        _show_runs(found, limit)
    else:
        say(f"no such run in world {url}", err=True)
    for each in unmet:
        say((str(each), "yellow"), err=True)


@command
def hooks(
    workflow: WorkflowOption = None,
    limit: LimitOption = LIMIT_DEFAULT,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    List what waits for the outside world.

    Each hook with its token, which torpor resume takes, its run, since when it waits, the address of a webhook, and
    its metadata. Then the mailboxes in which runs wait for a message: torpor send.

    Example: torpor hooks --workflow checkout
    """

    async def listed(reader: Reader) -> tuple[list[WaitingHook], list[WaitingMailbox], str]:
        found = await reader.hooks(workflow=workflow, limit=limit)
        return found, await reader.mailboxes(workflow=workflow, limit=limit), reader.url

    found, mailboxes, url = with_reader(app, world, listed, decrypt=decrypt)
    if json:
        print_json([*map(_hook_data, found), *map(msgspec.structs.asdict, mailboxes)])
    elif found or mailboxes:
        _show_hooks(found)
        _show_mailboxes(mailboxes)
    else:
        say(f"no hook waits in world {url}", err=True)


def _back(within: str | None, now: int) -> int:
    """
    Return the time that lies so long back, 0 for any.

    Raises:
        UsageError: it is no duration.
    """
    try:
        return 0 if within is None else max(1, now - milliseconds(within))
    except ValueError as error:
        raise UsageError(str(error)) from error


def parse_status(status: str | None) -> RunStatus | None:
    """
    Return the status of that name.

    Raises:
        UsageError: there is none.
    """
    if status is not None and status not in get_args(RunStatus):
        raise UsageError(f"there is no status {status!r}; use one of {', '.join(get_args(RunStatus))}")
    return cast("RunStatus | None", status)


def parse_attributes(words: Iterable[str]) -> dict[str, str]:
    """
    Return attributes that are given as ``NAME=VALUE``.

    Raises:
        UsageError: a word is none.
    """
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"{word!r} is no attribute; write NAME=VALUE, such as customer=c-17")
        found[name] = value
    return found


def awaited_text(awaited: Awaited) -> str:
    """Return what a run waits for in a few words."""
    match awaited.kind:
        case "step":
            attempt = f", attempt {awaited.attempt}" if awaited.attempt > 1 else ""
            if awaited.status == "blocked":
                return f"step {awaited.name} (blocked, op {awaited.op}): {awaited.why}"
            told = awaited.why or ("" if awaited.progress is None else summary(awaited.progress, PROGRESS_CHARS_MAX))
            return f"step {awaited.name} ({awaited.status}{attempt})" + (f": {told}" if told else "")
        case "timer":
            return f"timer until {clock_text(awaited.due)}"
        case "hook":
            return f"hook {awaited.name}"
        case "run":
            return f"run {awaited.name}"
        case "message":
            return f"message {awaited.name}"


def _show_runs(found: list[RunInfo], limit: int) -> None:
    now = SystemClock().now()
    rows = [
        (
            run.id,
            run.name,
            _status(run),
            clock_text(run.created_at),
            span_text((run.ended_at or now) - run.created_at),
            _waits_for(run),
        )
        for run in found
    ]
    columns = ("run", "workflow", "status", "created", "took", "waits for")
    show_table(*columns, rows=rows, right=frozenset({"took"}), free=frozenset({"waits for"}))
    if len(found) == limit:
        say((f"older ones: torpor runs --before {found[-1].id}", "dim"), err=True)


def _status(run: RunInfo) -> Text:
    if run.damage:
        return Text("damaged", "bold red")
    if run.moved_to:
        return Text("moved", "dim")
    text = status_text("blocked" if run.blocked else run.status)
    if run.paused and not run.ended_at:
        text.append(" paused", "yellow")
    return text.append(f" {run.error_code}", "dim") if run.error_code else text


def _waits_for(run: RunInfo) -> str:
    """
    Return what a run says of itself and one of the things that it waits for, rather no timer, and how many more there
    are.
    """
    if run.moved_to:
        return f"to {run.moved_to}"
    if run.snoozed or run.damage:
        return run.damage or run.snoozed
    said = [f'"{run.status_line}"'] if run.status_line and not run.ended_at else []
    if run.status == "pending" and run.starts_at:
        said.append(f"starts at {clock_text(run.starts_at)}")
    if run.waits_for:
        first, *others = sorted(run.waits_for, key=_rank)
        said.append(awaited_text(first) + (f" and {len(others)} more" if others else ""))
    return ", ".join(said)


def _rank(awaited: Awaited) -> tuple[bool, bool]:
    """Return by what the things that a run waits for are ordered where one is shown."""
    return awaited.status != "blocked", awaited.kind == "timer"


def _show_hooks(found: list[WaitingHook]) -> None:
    if not found:
        return
    now = SystemClock().now()
    about = {
        "token": [hook.token for hook in found],
        "run": [hook.run_id for hook in found],
        "workflow": [hook.workflow for hook in found],
        "waits": [span_text(now - hook.created_at) for hook in found],
        "webhook": [hook.webhook for hook in found],
        "metadata": ["" if hook.metadata is None else summary(hook.metadata, METADATA_CHARS_MAX) for hook in found],
    }
    if not any(about["webhook"]):
        del about["webhook"]
    rows = zip(*about.values(), strict=True)
    show_table(*about, rows=rows, right=frozenset({"waits"}), free=frozenset({"metadata"}))


def _show_mailboxes(found: list[WaitingMailbox]) -> None:
    if found:
        rows = [(each.mailbox, each.run_id, each.workflow) for each in found]
        show_table("mailbox", "run", "workflow", rows=rows)


def _hook_data(hook: WaitingHook) -> dict[str, object]:
    return {**msgspec.structs.asdict(hook), "created_at": iso(hook.created_at)}
