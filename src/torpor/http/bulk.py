"""
Many runs at once: cancel or retry all that match.

Nothing is done until the sender says how many runs he means at most, so that a filter which says too little does not
cancel a world: without that they are counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec

from torpor.errors import ConflictError, TorporError
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call, Router, audit
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import RunFilter
from torpor.run_handle import RunHandle

BULK_MAX: Final = 1_000
"""Runs that one request changes at most."""

_PAGE: Final = 200

router = Router("runs")


class MoreMatchError(ConflictError):
    """More runs match than who asks has said; nothing was done."""

    code = "MORE_MATCH"


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    Which runs.

    Attributes:
        most: do it, if no more runs than these match; without it they are counted, and nothing is done.
        workflow: only runs of this one, by its full or its short name.
        attributes: only runs that have all of these.
    """

    most: Annotated[int, msgspec.Meta(ge=0, le=BULK_MAX)] | None = None
    workflow: str | None = None
    attributes: dict[str, str] = {}


class CancelMany(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    Which runs to cancel, and how.

    Attributes:
        status: ``pending`` or ``running``; both by default.
        reason: why, at most 512 characters.
        force: end them at once, whatever their code would clean up.
    """

    status: RunStatus | None = None
    reason: str = ""
    force: bool = False


class RetryMany(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which failed runs to take up again."""


class Refused(msgspec.Struct, frozen=True):
    """A run to which it was not done, and why: the code and the detail of the problem."""

    id: str
    code: str
    detail: str


class Done(msgspec.Struct, frozen=True):
    """
    What was done.

    Attributes:
        count: how many runs match; counted up to one more than can be changed at once.
        done: ids of those to which it was done.
        refused: those to which it was not.
    """

    count: int
    done: list[str]
    refused: list[Refused]


@router.post("/v1/bulk/cancel", "operate")
async def cancel_many(call: Call, body: CancelMany) -> Done:
    """Cancel all runs that match and have not ended, and the runs that they have started; or count them."""
    if body.status in RUN_TERMINAL:
        raise BadRequestError(f"runs that are {body.status} have ended; cancel those that are pending or running")
    statuses: list[RunStatus] = ["pending", "running"] if body.status is None else [body.status]
    return await _carried_out(call, body, statuses, "cancels", lambda run: run.cancel(body.reason, force=body.force))


@router.post("/v1/bulk/retry", "operate")
async def retry_many(call: Call, body: RetryMany) -> Done:
    """Take all failed runs that match up again from before their failures; or count them."""
    return await _carried_out(call, body, ["failed"], "retries", RunHandle.retry)


async def _carried_out(
    call: Call, which: Which, statuses: list[RunStatus], verb: str, act: Callable[[RunHandle], Awaitable[object]]
) -> Done:
    found = await _matching(call, which, statuses)
    if which.most is None:
        return Done(len(found), [], [])
    if len(found) > which.most:
        told = f"more than {BULK_MAX}" if len(found) > BULK_MAX else str(len(found))
        raise MoreMatchError(
            f"{told} runs match, and most= says {which.most}; nothing was done: say more of which, or allow more "
            f"(up to {BULK_MAX} at once)"
        )
    done, refused = list[str](), list[Refused]()
    for run_id in found:
        audit.info("%s: %s run %s", call.grant.who, verb, run_id)
        try:
            await act(call.service.client.run(run_id))
        except TorporError as error:
            refused.append(Refused(run_id, error.code, str(error)))
        else:
            done.append(run_id)
    return Done(len(found), done, refused)


async def _matching(call: Call, which: Which, statuses: list[RunStatus]) -> list[str]:
    """Return the ids of the runs that match and that the token is about; one more than are changed at once, at most."""
    client, found = call.service.client, dict[str, None]()
    for status in statuses:
        where = RunFilter(
            status=status, workflow=which.workflow, app=client.app, attributes=which.attributes, limit=_PAGE
        )
        while page := await client.world.list_runs(where):
            found |= dict.fromkeys(run.id for run in page if call.grant.covers(run.workflow, run.queue))
            if len(found) > BULK_MAX:
                return list(found)[: BULK_MAX + 1]
            if len(page) < _PAGE:
                break
            where = msgspec.structs.replace(where, before=page[-1].id)
    return list(found)
