"""Runs: to list and look at."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from torpor.errors import RunNotFoundError
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call, Router
from torpor.http.views import RunItem, RunPage, RunView, run_item, run_view
from torpor.lifecycle import RunStatus
from torpor.run_info import RunInfo

router = Router("runs")

PAGE_RUNS_MAX: Final = 200
"""Runs of one page."""

_LOOKED_AT_MAX: Final = 2_000
"""Runs that one page looks through for those that a token is about; the next page goes on behind them."""


class WhichRuns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which runs.

    Attributes:
        status: their state.
        workflow: the full or the short name of their workflow.
        attribute: ``name=value`` that they have; may be repeated.
        before: the last run of the page before, or ``next`` of it.
        limit: how many at most.
    """

    status: RunStatus | None = None
    workflow: str | None = None
    attribute: list[str] = []
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
    reader = call.service.reader(decrypt=False)
    found: list[RunItem] = []
    before, looked_at, is_last = query.before, 0, False
    while len(found) < query.limit and looked_at < _LOOKED_AT_MAX and not is_last:
        wanted = query.limit - len(found) if call.grant.is_whole else PAGE_RUNS_MAX
        page = await reader.runs(
            status=query.status, workflow=query.workflow, attributes=attributes, before=before, limit=wanted
        )
        is_last = len(page) < wanted
        for info in page:
            before = info.id
            looked_at += 1
            if call.grant.covers(info.workflow, info.queue):
                found.append(run_item(info))
                if len(found) == query.limit:
                    is_last = is_last and info is page[-1]
                    break
    return RunPage(found, None if is_last else before)


@router.get("/v1/runs/{run}", "read")
async def get_run(call: Call) -> RunView:
    """Show a run with its input, and its output or error; what is encrypted is shown to who may decrypt."""
    info = await known_run(call)
    [summary] = await call.service.reader(decrypt=call.opens(info)).summaries([info])
    return run_view(summary)


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
    return info
