"""Whether the server lives, whether its world answers, and whether a worker takes work."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.responses import Response

from torpor.errors import TorporError, UnhealthyError
from torpor.health import Health, check_health
from torpor.http.problems import ForbiddenError, answer_to
from torpor.http.routing import Call, Router
from torpor.limits import HTTP_WAIT_SECONDS_MAX
from torpor.model import RunFilter

router = Router("health")


class Alive(msgspec.Struct, frozen=True):
    """
    How the server is.

    Attributes:
        status: ``ok``.
    """

    status: str = "ok"


class WhichWorkers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Who is asked.

    Attributes:
        queue: through which queue, empty for none.
        wait: for how many seconds an answer is waited for.
    """

    queue: str = ""
    wait: Annotated[float, msgspec.Meta(gt=0, le=HTTP_WAIT_SECONDS_MAX)] = 10


@router.get("/health", "open")
async def live() -> Alive:
    """Tell that the server lives, whatever its world does."""
    return Alive()


@router.get("/ready", "open")
async def ready(call: Call) -> Alive | Response:
    """Tell whether the world answers; if not, with 503."""
    try:
        await call.service.client.world.list_runs(RunFilter(limit=1))
    except TorporError as error:
        return answer_to(error)
    return Alive()


@router.post("/v1/health", "operate")
async def ask_workers(call: Call, query: WhichWorkers) -> Health:
    """Ask the workers whether they take work, through a queue, and tell who has answered; with 503 if none has."""
    if not call.grant.covers("", query.queue):
        raise ForbiddenError(f"the token is not about queue {query.queue!r} as a whole")
    service = call.service
    asked = check_health(service.client, query.queue, query.wait)
    answered = await service.until_stopping(asked, query.wait + 1)
    if answered is None:
        raise UnhealthyError("this server stops; ask another one")
    return answered
