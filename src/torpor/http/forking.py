"""Forking runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response

from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.http.starting import started
from torpor.http.views import RunItem

router = Router("runs")

_Op = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]


class Fork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a fork is to be.

    Attributes:
        at: seq of the last event that it has; a negative one counts from the end of the log.
        results: what steps returned instead, by the number of their op.
        code: ``newest`` goes on with the code that workers have brought last, if its replay agrees; null with its own.
        take_over: let hooks that are open keep their tokens, which nobody must have any more.
        id: a name for the new run.
    """

    at: int
    results: dict[_Op, Any] = {}
    code: Literal["newest"] | None = None
    take_over: bool = False
    id: str | None = None


@router.post("/v1/runs/{run}/fork", "operate", status=201)
async def fork(call: Call, body: Fork) -> Response | RunItem:
    """Start a new run that goes on from a place of this one's log; this one is not touched."""
    info, service = await known_run(call), call.service
    async with service.asking:
        made = await service.client.run(info.id).fork(
            at=body.at,
            results={int(op): value for op, value in body.results.items()},
            code=body.code,
            take_over=body.take_over,
            run_id=body.id,
        )
    return await started(call, made)
