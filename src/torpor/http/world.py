"""The world as a whole: queues, deployments, workers."""

from __future__ import annotations

from typing import Any

import msgspec

from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router
from torpor.inspection.deployments import DeploymentView, deployment_views
from torpor.inspection.timestamps import iso
from torpor.model.flow import Asleep, QueueInfo
from torpor.queues import UNSET, rate_text

router = Router("world")


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """
    A queue.

    Attributes:
        name, app: which.
        held, waiting: how many runs and steps have a slot, and wait for one.
        concurrency, per_worker, per_key, rate: what it allows, null for no limit.
        asleep: whether a run holds its slot while it sleeps.
    """

    name: str
    app: str
    held: int
    waiting: int
    concurrency: int | None
    per_worker: int | None
    per_key: int | None
    rate: str | None
    asleep: Asleep


class QueueLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a queue is to allow; what is left out stays as it was, and 0 takes a limit away."""

    concurrency: int | None = None
    per_worker: int | None = None
    per_key: int | None = None
    rate: str | int | None = None
    asleep: Asleep | None = None


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment; see :class:`torpor.inspection.deployments.DeploymentView`. Times are ISO 8601."""

    app: str
    id: str
    live: bool
    since: str | None
    workflows: dict[str, str]
    steps: dict[str, str]
    workers: list[Worker]
    runs: int


class Worker(msgspec.Struct, frozen=True):
    """A worker that lives."""

    id: str
    machine: str
    pid: int


class Deployments(msgspec.Struct, frozen=True):
    """
    What is deployed.

    Attributes:
        deployments: those that are live, or have runs.
        others: programs of runs that no known deployment has.
    """

    deployments: list[Deployed]
    others: list[dict[str, Any]]


@router.get("/v1/queues", "read")
async def list_queues(call: Call) -> list[QueueView]:
    """List queues: what they allow, what goes on and what waits."""
    return [_queue(info) for info in await call.service.queues.list() if _about(call, info.name)]


@router.route("PUT", "/v1/queues/{queue}", "operate")
async def set_queue(call: Call, body: QueueLimits) -> QueueView:
    """Say what a queue allows."""
    name = call.part("queue")
    _require(call, name)
    limits = {field: UNSET if given is None else given for field, given in _numbers(body).items()}
    return _queue(await call.service.queues.set(name, rate=body.rate, asleep=body.asleep, **limits))


@router.route("DELETE", "/v1/queues/{queue}", "operate", status=204)
async def delete_queue(call: Call) -> None:
    """Take all limits away from a queue."""
    name = call.part("queue")
    _require(call, name)
    await call.service.queues.delete(name)


@router.get("/v1/deployments", "read")
async def list_deployments(call: Call) -> Deployments:
    """List what is deployed, and what still has runs."""
    call.grant.require_whole()
    found, others = await deployment_views(call.service.client.world)
    return Deployments([_deployed(view) for view in found], msgspec.to_builtins(others))


@router.get("/v1/workers", "read")
async def list_workers(call: Call) -> list[Worker]:
    """List the workers that live."""
    call.grant.require_whole()
    living, _ = await call.service.reader(decrypt=False).workers()
    return [Worker(worker.id, worker.machine, worker.pid) for worker in living]


def _about(call: Call, queue: str) -> bool:
    """Return whether a token is about a queue as a whole: one for workflows is not, since others are in it too."""
    return not call.grant.workflows and call.grant.covers("", queue)


def _require(call: Call, queue: str) -> None:
    if not _about(call, queue):
        raise ForbiddenError(f"the token is not about queue {queue!r} as a whole")


def _numbers(body: QueueLimits) -> dict[str, int | None]:
    return {"concurrency": body.concurrency, "per_worker": body.per_worker, "per_key": body.per_key}


def _queue(info: QueueInfo) -> QueueView:
    limits = info.limits
    return QueueView(
        name=info.name,
        app=info.app,
        held=info.held,
        waiting=info.waiting,
        concurrency=limits.concurrency or None,
        per_worker=limits.per_worker or None,
        per_key=limits.per_key or None,
        rate=rate_text(limits) or None,
        asleep=limits.asleep,
    )


def _deployed(view: DeploymentView) -> Deployed:
    return Deployed(
        app=view.app,
        id=view.id,
        live=bool(view.workers),
        since=iso(view.since),
        workflows=view.workflows,
        steps=view.steps,
        workers=[Worker(worker.id, worker.machine, worker.pid) for worker in view.workers],
        runs=view.runs,
    )
