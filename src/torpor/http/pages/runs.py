"""The list of runs: searched, live, with what their workflows usually take."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from torpor.http.pages.rendering import HTML, page, pages, query
from torpor.http.pages.sparks import columns
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call
from torpor.http.service import Service
from torpor.inspection.overview import Overview, read_overview
from torpor.inspection.search import Search, search
from torpor.lifecycle import RunStatus

router = pages("pages")

RUNS: Final = 50
"""Runs of one page."""

OVERVIEW_SECONDS: Final = 5.0
"""How old the figures of the workflows may be; older ones are shown once more while they are read anew."""

SINCE: Final = {"hour": 3_600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
"""Seconds that lie back at most when a run started, or ended."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the form above the list asks for; what is empty is not asked for."""

    workflow: str = ""
    status: str = ""
    attribute: str = ""
    since: str = ""
    ended: str = ""
    error: Annotated[str, msgspec.Meta(max_length=512)] = ""
    before: str = ""
    said: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves runs out."""
        return bool(self.workflow or self.status or self.attribute or self.since or self.ended or self.error)

    def with_(self, **fields: Any) -> str:
        """Return what asks for the same with other fields, and from the beginning on."""
        asked = {**msgspec.structs.asdict(self), "before": "", "said": "", **fields}
        return query(**asked)

    def search(self, now: int) -> Search:
        """
        Return it as a search.

        Raises:
            BadRequestError: it is none.
        """
        for name, given in (("since", self.since), ("ended", self.ended)):
            if given not in ("", *SINCE):
                raise BadRequestError(f"{name}={given:.50}: one of {', '.join(SINCE)}, or nothing")
        try:
            status = msgspec.convert(self.status, RunStatus) if self.status else None
        except msgspec.ValidationError as error:
            raise BadRequestError(f"status={self.status:.50}: {error}") from error
        return Search(
            status=status,
            workflow=self.workflow.strip() or None,
            attributes=dict(_attributes(self.attribute)),
            since=now - SINCE[self.since] * 1_000 if self.since else 0,
            ended_since=now - SINCE[self.ended] * 1_000 if self.ended else 0,
            error=self.error.strip(),
            before=self.before or None,
            limit=RUNS,
        )


def _attributes(text: str) -> list[tuple[str, str]]:
    found = []
    for each in text.split():
        name, separator, value = each.partition("=")
        if not separator:
            raise BadRequestError(f"attribute {each:.100}: write it as NAME=VALUE; several with spaces between them")
        found.append((name, value))
    return found


class Figures:
    """The newest overview of the world; it is read in the background while the one before is shown."""

    def __init__(self) -> None:
        self._known: Overview | None = None
        self._read_at = 0.0
        self._reading: asyncio.Future[Overview] | None = None

    async def get(self, service: Service) -> Overview:
        """Return an overview."""
        now = asyncio.get_running_loop().time()
        if self._reading is None and (self._known is None or now - self._read_at > OVERVIEW_SECONDS):
            self._reading = service.later(read_overview(service.client.world))
            self._reading.add_done_callback(self._keep)
        if self._known is None:
            assert self._reading is not None, "it was begun above"
            return await asyncio.shield(self._reading)
        return self._known

    def _keep(self, reading: asyncio.Future[Overview]) -> None:
        self._reading = None
        self._read_at = asyncio.get_running_loop().time()
        if not reading.cancelled() and reading.exception() is None:
            self._known = reading.result()


@router.get("/", "read", media=(HTML,))
async def show_runs(call: Call, query: Wanted) -> Response:
    """Show runs, newest first."""
    service, grant = call.service, call.grant
    covers = None if grant.is_whole else lambda info: grant.covers(info.workflow, info.queue)
    found = await search(service.reader(decrypt=False), query.search(service.client.world.clock.now()), covers)
    call.secrets.add_runs(found.runs)
    overview = await service.part(Figures).get(service) if grant.is_whole and not query.before else None
    return page(
        call,
        "runs.html",
        found=found,
        wanted=query,
        statuses=("pending", "running", "completed", "failed", "cancelled"),
        times=SINCE,
        overview=overview,
        columns=columns,
    )
