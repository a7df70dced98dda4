"""
Whether the work of a queue is taken, found out by giving it some: a run without a program goes through the queue, and
the worker that takes it says who it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from torpor import ids
from torpor.client import Client
from torpor.durations import Duration, milliseconds
from torpor.engine.health_runs import GUEST, WORKFLOW
from torpor.engine.liveness import living
from torpor.errors import ArgumentError, RunFailedError, TorporError, UnhealthyError
from torpor.limits import PRIORITY_MAX
from torpor.model import NewRun, Run
from torpor.queues import Queues, limits_text
from torpor.starting import checked

_LONGER_MS: Final = 5_000
"""So much longer than its asker waits a health run lives at most, should the asker die."""


class Health(msgspec.Struct, frozen=True):
    """
    A worker has answered.

    Attributes:
        queue: through which it was asked, ``""`` for none.
        worker: its id.
        app: name of its application, ``""`` when it has none.
        deployment: id of what it brings, ``""`` when it has gone since.
        ms: how long it took, in milliseconds.
    """

    queue: str
    worker: str
    app: str
    deployment: str
    ms: int


async def check_health(
    client: Client, queue: str = "", timeout: Duration = 30.0, *, opened: Callable[[], Awaitable[None]] | None = None
) -> Health:
    """
    Return which worker has answered; see :meth:`torpor.app.Torpor.health`.

    Args:
        client: of an open world. It has an application whose workers are asked, or those of any are.
        queue: through which to ask, ``""`` for none.
        timeout: how long to wait for the answer.
        opened: is awaited before the world is used.

    Raises:
        UnhealthyError: none has answered in time; the message says what is known of why.
        ArgumentError: the timeout is no duration, or the queue no queue.
        ConfigurationError: several applications could have this queue, and none is said.
        WorldError: the world does not answer.
    """
    try:
        patience = milliseconds(timeout)
    except ValueError as error:
        raise ArgumentError(f"timeout: {error}") from None
    if opened is not None:
        await opened()
    world = client.world
    app = (await Queues(client).get(queue)).app if queue else client.app or ""
    deadline = world.clock.now() + patience + _LONGER_MS
    new = NewRun(
        id=ids.fresh("wrun", world.clock.now()),
        workflow=WORKFLOW,
        program="",
        guest=GUEST,
        runtime="replay",
        seed=ids.seed(),
        input=b"",
        app=app,
        **checked({"queue": queue, "priority": PRIORITY_MAX, "deadline": deadline}),
    )
    began = world.clock.steady()
    run = client.run((await world.create_run(new)).id)
    has_ended = False
    try:
        worker_id = await run.result(timeout=patience / 1000)
        has_ended = True
    except (TimeoutError, RunFailedError):
        raise UnhealthyError(await _reason(client, await world.get_run(run.id), patience)) from None
    finally:
        with suppress(TorporError):  # it ends by itself, and is deleted as others are
            if not has_ended:
                await run.cancel(force=True)
            await run.delete()
    took = world.clock.steady() - began
    row = next((row for row in await world.workers() if row.id == worker_id), None)
    return Health(queue, worker_id, row.app if row else app, row.deployment if row else "", took)


async def _reason(client: Client, run: Run, patience: int) -> str:
    """Return why nobody has answered, as far as it can be told."""
    what = f"queue {run.queue!r}" if run.queue else "the world"
    whose = f" of application {run.app!r}" if run.app else ""
    told = f"no worker{whose} has answered through {what} within {patience / 1000:g} s: "
    workers = [row for row in living(await client.world.workers()) if run.app in ("", row.app)]
    if not workers:
        return f"{told}none is at work; start one with: torpor worker"
    at_work = f"{len(workers)} worker{'s' * (len(workers) != 1)} live{'s' * (len(workers) == 1)}"
    if run.worker:
        return f"{told}{run.worker} has taken the question, and it was not heard of since"
    told = f"{told}{at_work}, and none took the question: busy, frozen, stopping, or taking from other queues"
    if not run.queue:
        return told
    info = await Queues(client).get(run.queue)
    return f"{told}; the queue has {limits_text(info.limits)}, and {info.held} have a slot of it"
