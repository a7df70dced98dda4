"""
Step workers elsewhere: processes of Node that carry out steps of Workflow SDK projects, and have nothing of Torpor but
a way to this server. ``@torpor/steps`` is one; see docs/step-workers.md.

One says what it has, and gets a deputy in the world. From then on there are messages both ways, numbered, so that one
that comes twice counts once; see docs/adr/0089.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from torpor.errors import HostError
from torpor.http.problems import UnknownAddressError
from torpor.http.routing import Call, Router
from torpor.limits import (
    QUEUE_CHARS_MAX,
    STEP_NAME_CHARS_MAX,
    STEP_WORKER_STEPS_MAX,
    STEP_WORKERS_MAX,
    WORLD_BODY_BYTES_MAX,
)
from torpor.sdk.deputy import Deputy

router = Router("step-workers")

_BYTES: Final = "application/octet-stream"
_POLL_SECONDS: Final = 20.0
"""How long a question for messages waits for one: less than what lies between closes connections after."""

StepName = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00-\x1f]*$", max_length=STEP_NAME_CHARS_MAX)]
QueueName = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]*$", max_length=QUEUE_CHARS_MAX)]


class NewStepWorker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a step worker has.

    Attributes:
        steps: full names of its steps, as the SDK gives them.
        queues: names of the queues whose steps it takes, ``""`` for none; null for all.
        concurrency: how many steps it carries out at once.
    """

    steps: Annotated[list[StepName], Meta(min_length=1, max_length=STEP_WORKER_STEPS_MAX)]
    queues: Annotated[list[QueueName], Meta(min_length=1, max_length=1000)] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 100


class StepWorker(msgspec.Struct, frozen=True):
    """
    Its deputy.

    Attributes:
        id: by which it is spoken for here.
        worker: what it is called in the world.
        silence_seconds: when it is not heard of for so long, what it runs is given to others.
    """

    id: str
    worker: str
    silence_seconds: float


class Behind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Where messages begin.

    Attributes:
        after: the number of the message before the first.
    """

    after: Annotated[int, Meta(ge=0, le=2**53)] = 0


class StepWorkers:
    """Those that have a deputy here."""

    def __init__(self) -> None:
        self._deputies: dict[str, Deputy] = {}

    def add(self, deputy: Deputy) -> Coroutine[Any, Any, None]:
        """Take one in that has begun; return its life."""
        self._deputies[deputy.id] = deputy
        return self._live(deputy)

    def require_room(self) -> None:
        """
        Do nothing if there may be another one.

        Raises:
            HostError: there are too many.
        """
        if len(self._deputies) >= STEP_WORKERS_MAX:
            raise HostError(f"this server speaks for {STEP_WORKERS_MAX} step workers already; try again later")

    def get(self, worker_id: str, whose: str) -> Deputy:
        """
        Return the deputy of an id.

        Raises:
            UnknownAddressError: there is none for this token.
        """
        found = self._deputies.get(worker_id)
        if found is None or found.is_over or found.whose != whose:
            raise UnknownAddressError(
                "this server speaks for no such step worker: it was not heard of for too long, or the server has "
                "begun anew; begin anew with POST /v1/step-workers"
            )
        return found

    async def _live(self, deputy: Deputy) -> None:
        try:
            await deputy.until_over()
        finally:
            self._deputies.pop(deputy.id, None)
            await deputy.end()


@router.post("/v1/step-workers", "steps", status=201)
async def begin(call: Call, body: NewStepWorker) -> StepWorker:
    """Claim steps for a step worker from now on, as long as it is heard of."""
    call.grant.require_whole()
    service, workers = call.service, call.service.part(StepWorkers)
    workers.require_room()
    app = service.application("claims steps for nobody")
    deputy = Deputy(app, body.steps, body.queues, body.concurrency, call.grant.who)
    await deputy.begin()
    life = workers.add(deputy)
    service.later(life)
    return StepWorker(deputy.id, deputy.worker_id, deputy.silence_seconds)


@router.get("/v1/step-workers/{id}/messages", "steps", media=(_BYTES,), others={204: "There is none yet; ask again."})
async def hear(call: Call, query: Behind) -> Response:
    """Return the messages for a step worker behind a number, once there are any; it has those up to there."""
    deputy = _deputy(call)
    with deputy.heard():
        told = deputy.mail.behind(query.after)
        if not told:
            await call.service.until_stopping(_first(deputy, call.request), _POLL_SECONDS)
            told = deputy.mail.behind(query.after)
    return Response(told, media_type=_BYTES) if told else Response(status_code=204)


@router.post("/v1/step-workers/{id}/messages", "steps", status=204, is_quiet=True)
async def tell(call: Call, query: Behind) -> None:
    """Take messages of a step worker; those up to a number were sent before."""
    deputy = _deputy(call)
    with deputy.heard():
        deputy.take(query.after, await call.bytes(WORLD_BODY_BYTES_MAX))


@router.route("DELETE", "/v1/step-workers/{id}", "steps", status=204)
async def leave(call: Call) -> None:
    """Claim nothing more for a step worker, and answer once what it runs has ended, or has had the time for it."""
    deputy = _deputy(call)
    with deputy.heard():
        await deputy.leave()


def _deputy(call: Call) -> Deputy:
    return call.service.part(StepWorkers).get(call.part("id"), call.grant.who)


async def _first(deputy: Deputy, request: Request) -> None:
    """Wait until there is a message, the step worker is given up, or it has gone."""
    waits = [asyncio.ensure_future(wait) for wait in (deputy.mail.more(), deputy.until_over(), _gone(request))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
