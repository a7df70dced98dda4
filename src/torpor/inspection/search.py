"""Finding runs: what the world's lists can tell, and beyond that what has to be looked at run by run, in bites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from torpor.inspection.readable import stack_of
from torpor.inspection.reading import Reader
from torpor.lifecycle import RunStatus
from torpor.run_info import RunInfo

PAGE_RUNS_MAX: Final = 200
"""Runs of one page."""

LOOKED_AT_MAX: Final = 2_000
"""Runs that one page looks through; the next page goes on behind them."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which runs.

    Attributes:
        status: their state.
        workflow: the full or the short name of their workflow.
        attributes: that they have, all of them.
        since: only those that were created at this time or later, epoch milliseconds; 0 for any.
        ended_since, ended_before: only those that ended at the one time or later, and before the other; 0 for any.
        error: what their error says, whatever its case: its name, its message, its stack or its code; ``""`` for any.
        before: the last run of the page before, or ``next`` of it.
        limit: how many at most.
    """

    status: RunStatus | None = None
    workflow: str | None = None
    attributes: dict[str, str] = {}
    since: int = 0
    ended_since: int = 0
    ended_before: int = 0
    error: str = ""
    before: str | None = None
    limit: int = 50


class Found(msgspec.Struct, frozen=True):
    """
    A page of runs.

    Attributes:
        runs: newest first.
        next: what the next page begins behind, None when there is none.
    """

    runs: list[RunInfo]
    next: str | None


async def search(reader: Reader, wanted: Search, covers: Callable[[RunInfo], bool] | None = None) -> Found:
    """
    Return a page of the runs that are wanted: not more than there is room for, and those only that lie among the
    :data:`LOOKED_AT_MAX` that were looked at.

    Args:
        reader: shows errors as far as they may be seen.
        wanted: which runs.
        covers: returns whether a run may be seen; all may by default.
    """
    text = wanted.error.casefold()
    status: RunStatus | None = "failed" if text and wanted.status is None else wanted.status
    found: list[RunInfo] = []
    before, looked_at = wanted.before, 0
    while looked_at < LOOKED_AT_MAX:
        most = PAGE_RUNS_MAX if text or covers is not None else wanted.limit - len(found)
        page = await reader.runs(
            status=status,
            workflow=wanted.workflow,
            attributes=wanted.attributes,
            ended_since=wanted.ended_since,
            ended_before=wanted.ended_before,
            before=before,
            limit=most,
        )
        for info in page:
            if info.created_at < wanted.since:  # those behind it are older still
                return Found(found, None)
            before = info.id
            looked_at += 1
            if (covers is None or covers(info)) and (not text or await _says(reader, info, text)):
                found.append(info)
                if len(found) == wanted.limit:
                    is_last = len(page) < most and info is page[-1]
                    return Found(found, None if is_last else before)
        if len(page) < most:
            return Found(found, None)
    return Found(found, before)


async def search_all(reader: Reader, wanted: Search) -> list[RunInfo]:
    """Return the runs that are wanted, as many as there is room for, however many have to be looked at."""
    found: list[RunInfo] = []
    before: str | None = wanted.before
    while True:
        left = wanted.limit - len(found)
        page = await search(reader, msgspec.structs.replace(wanted, before=before, limit=left))
        found += page.runs
        before = page.next
        if before is None or len(found) == wanted.limit:
            return found


async def _says(reader: Reader, info: RunInfo, text: str) -> bool:
    """Return whether a run's error has a text in it; the text is in lower case."""
    if info.status != "failed" or info.damage:
        return False
    if text in info.error_code.casefold():
        return True
    [summary] = await reader.summaries([info])
    return text in stack_of(summary.error).casefold()
