"""Runs, to look at: lists, single ones, what became of them and what happened in them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from torpor import limits
from torpor.errors import LimitExceededError, RunNotFoundError
from torpor.http.problems import BadRequestError
from torpor.http.routing import JSON, VALUE, Call, Router, json_response
from torpor.http.views import (
    EventPage,
    LogLine,
    Outcome,
    RunPage,
    RunView,
    TimelineRow,
    event_item,
    log_line,
    outcome_of,
    run_item,
    run_view,
    timeline_row,
)
from torpor.inspection import outcome as read
from torpor.inspection.details import details_data
from torpor.inspection.search import PAGE_RUNS_MAX, Search, search
from torpor.inspection.timeline import timeline
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.limits import HTTP_WAIT_SECONDS_MAX
from torpor.run_info import RunInfo

router = Router("runs")

PAGE_EVENTS_MAX: Final = 1_000
"""Events, or lines, of one page."""

NUMBER_MAX: Final = 2**53
"""A number of an event, or of a line, that JSON can tell."""


class WhichRuns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which runs.

    Attributes:
        status: their state.
        workflow: the full or the short name of their workflow.
        attribute: ``name=value`` that they have; may be repeated.
        since: only those that were created at this time or later, epoch milliseconds.
        ended_since, ended_before: only those that ended at the one time or later, and before the other.
        error: what their error says, whatever its case; errors of encrypted runs are not looked into.
        before: the last run of the page before, or ``next`` of it.
        limit: how many at most.
    """

    status: RunStatus | None = None
    workflow: str | None = None
    attribute: list[str] = []
    since: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    ended_since: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    ended_before: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    error: Annotated[str, msgspec.Meta(max_length=512)] = ""
    before: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_RUNS_MAX)] = 50


@router.get("/v1/runs", "read")
async def list_runs(call: Call, query: WhichRuns) -> RunPage:
    """List runs, newest first: those that match, and that the token is about."""
    attributes = {}
    for text in query.attribute:
        name, separator, value = text.partition("=")
        if not separator:
            raise BadRequestError(f"attribute={text:.100}: write it as NAME=VALUE")
        attributes[name] = value
    wanted = Search(
        status=query.status,
        workflow=query.workflow,
        attributes=attributes,
        since=query.since,
        ended_since=query.ended_since,
        ended_before=query.ended_before,
        error=query.error,
        before=query.before,
        limit=query.limit,
    )
    grant = call.grant
    covers = None if grant.is_whole else lambda info: grant.covers(info.workflow, info.queue)
    found = await search(call.service.reader(decrypt=False), wanted, covers)
    call.secrets.add_runs(found.runs)
    return RunPage([run_item(info) for info in found.runs], found.next)


@router.get("/v1/runs/{run}", "read")
async def get_run(call: Call) -> RunView:
    """Show a run with its input, and its output or error; what is encrypted is shown to who may decrypt."""
    info = await known_run(call)
    [summary] = await call.service.reader(decrypt=call.opens(info)).summaries([info])
    return run_view(summary)


class Waiting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How long to wait.

    Attributes:
        wait: seconds to wait for the end of the run; ask again when it has not come.
    """

    wait: Annotated[float, msgspec.Meta(ge=0, le=HTTP_WAIT_SECONDS_MAX)] = 0


@router.get("/v1/runs/{run}/result", "read", media=(JSON, VALUE), others={202: "It has not ended yet; ask again."})
async def result(call: Call, query: Waiting) -> Response | Outcome:
    """
    Wait for the end of a run, and tell what became of it.

    As codec bytes, what it returned or raised comes as the world has it: opened for who may decrypt, else encrypted.
    """
    info = await known_run(call)
    client = call.service.client
    if query.wait and info.status not in RUN_TERMINAL:
        await call.service.until_stopping(client.wait_ended(info.id), query.wait)
    decrypt = call.opens(info)
    if call.wants_bytes:
        return _as_bytes(await read.read_outcome(client, info.id, decrypt=decrypt))
    reader = call.service.reader(decrypt=decrypt)
    [summary] = await reader.summaries([await reader.info(info.id)])
    return json_response(await call.shown(outcome_of(summary)), 200 if summary.run.status in RUN_TERMINAL else 202)


def _as_bytes(outcome: read.Outcome) -> Response:
    run = outcome.run
    headers = {"Torpor-Status": run.status, "Torpor-Error-Code": run.error_code}
    status = 200 if run.status in RUN_TERMINAL else 202
    return Response(outcome.envelope or b"", status, {name: text for name, text in headers.items() if text}, VALUE)


class WhichEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which events, or lines.

    Attributes:
        after: seq, or number, of the last one that is known.
        limit: how many at most.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_EVENTS_MAX)] = 200


@router.get("/v1/runs/{run}/events", "read")
async def events(call: Call, query: WhichEvents) -> EventPage:
    """List the events of a run's log, in their order."""
    info = await known_run(call)
    found = await call.service.reader(decrypt=call.opens(info)).events(info.id, after=query.after, limit=query.limit)
    return EventPage([event_item(event, info.created_at) for event in found], info.base, info.head)


@router.get("/v1/runs/{run}/logs", "read")
async def logs(call: Call, query: WhichEvents) -> list[LogLine]:
    """List the lines that a run's code wrote; without ``after`` the engine's notes come first."""
    info = await known_run(call)
    after = query.after if "after" in call.request.query_params else None
    entries = await call.service.reader(decrypt=call.opens(info)).logs(info.id, after=after, limit=query.limit)
    return [log_line(entry) for entry in entries]


@router.get("/v1/runs/{run}/timeline", "read")
async def show_timeline(call: Call) -> list[TimelineRow]:
    """Tell what happened in a run as rows in the order of time."""
    info = _require_short(await known_run(call))
    details = await call.service.reader(decrypt=call.opens(info)).details(info.id)
    return [timeline_row(row) for row in timeline(details)]


@router.get("/v1/runs/{run}/details", "read")
async def details(call: Call) -> dict[str, Any]:
    """Tell all that the world has of a run: what ``torpor inspect --json`` prints."""
    info = _require_short(await known_run(call))
    return details_data(await call.service.reader(decrypt=call.opens(info)).details(info.id))


def _require_short(info: RunInfo) -> RunInfo:
    """Return a run that can be told as a whole."""
    if info.head - info.base > limits.HTTP_EVENTS_MAX:
        raise LimitExceededError(
            f"run {info.id} has {info.head - info.base} events; up to {limits.HTTP_EVENTS_MAX} are told as a whole, "
            "others in pages: /events"
        )
    return info


async def known_run(call: Call) -> RunInfo:
    """
    Return the run that the path names, if the token is about it.

    Raises:
        RunNotFoundError: there is none, or the token is not about it: who may not see a run does not learn of it.
    """
    run_id = call.part("run")
    info = await call.service.reader(decrypt=False).info(run_id)
    if not call.grant.covers(info.workflow, info.queue):
        raise RunNotFoundError(f"no run {run_id!r} that this token is about in world {call.service.client.world.url}")
    call.secrets.add_run(info.id)
    return info
