"""Starting runs."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from torpor.errors import RunNotFoundError
from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router, json_response
from torpor.http.runs import known_run
from torpor.http.views import RunItem, run_item
from torpor.run_handle import RunHandle
from torpor.starting import beginning

router = Router("runs")

Time = str | float | None
"""A duration (seconds, or text such as ``1h 30m``), or, where it says so, a moment as ISO 8601 text."""


class StartRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    A run to start; see :meth:`torpor.client.Client.start`.

    Attributes:
        workflow: its short or full name.
        args, kwargs: what it is started with.
        id: a name of your own: asked again with the same, no second run is started.
        runtime: ``snapshot`` or ``replay``.
        at, delay: when it begins: a moment, or after how long.
        queue, queue_key: in which queue, and of whom.
        priority: from -100 to 100, the highest first.
        deadline: when it fails if it has not ended: a moment, or a duration from its beginning.
        attributes: texts to find it by.
        cleanup: for how long its code may clean up once it is cancelled.
    """

    workflow: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    id: str | None = None
    runtime: str | None = None
    at: str | None = None
    delay: Time = None
    queue: str = ""
    queue_key: str = ""
    priority: int = 0
    deadline: Time = None
    attributes: dict[str, str] = {}
    cleanup: Time = None


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A run to start anew.

    Attributes:
        id: a name for the new run.
    """

    id: str | None = None


@router.post("/v1/runs", "operate", status=201, others={200: "It was started before, under this id."})
async def start(call: Call, body: StartRun) -> Response | RunItem:
    """Start a run; with an id that is taken by the same one, tell of that, with status 200."""
    service, client = call.service, call.service.client
    begins = beginning(
        client.world.clock.now(),
        at=body.at,
        delay=body.delay,
        queue=body.queue,
        queue_key=body.queue_key,
        priority=body.priority,
        deadline=body.deadline,
        attributes=body.attributes,
        cleanup=body.cleanup,
    )
    runtime = service.runtime(body.runtime)
    found, arguments = await service.startable(body.workflow, body.args, body.kwargs)
    queue = body.queue or found.workflow.queue
    if not call.grant.covers(found.name, queue):
        raise ForbiddenError(f"the token is not about runs of {found.name} in queue {queue!r}")
    was_there = body.id is not None and await _is_there(call, body.id)
    run = await client.create_run(found, arguments, runtime=runtime, run_id=body.id, begins=begins)
    return await started(call, run, 200 if was_there else 201)


@router.post("/v1/runs/{run}/rerun", "operate", status=201)
async def rerun(call: Call, body: Rerun) -> Response | RunItem:
    """Start a new run of the same workflow with the same input."""
    info = await known_run(call)
    return await started(call, await call.service.client.run(info.id).rerun(run_id=body.id))


async def _is_there(call: Call, run_id: str) -> bool:
    try:
        await call.service.client.world.get_run(run_id)
    except RunNotFoundError:
        return False
    return True


async def started(call: Call, run: RunHandle, status: int = 201) -> Response:
    """Return what tells of a run that was started, with its address."""
    response = json_response(run_item(await run.info()), status)
    response.headers["Location"] = call.address("v1", "runs", run.id)
    return response
