"""Whether the server lives, and whether it can work: for load balancers, without a token."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from torpor.errors import TorporError
from torpor.http.problems import answer_to
from torpor.http.routing import Call, Router
from torpor.model import RunFilter

router = Router("health")


class Health(msgspec.Struct, frozen=True):
    """
    How the server is.

    Attributes:
        status: ``ok``.
    """

    status: str = "ok"


@router.get("/health", "open")
async def live() -> Health:
    """Tell that the server lives, whatever its world does."""
    return Health()


@router.get("/ready", "open")
async def ready(call: Call) -> Health | Response:
    """Tell whether the world answers; if not, with 503."""
    try:
        await call.service.client.world.list_runs(RunFilter(limit=1))
    except TorporError as error:
        return answer_to(error)
    return Health()
