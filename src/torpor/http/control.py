"""What people do to runs: cancel, retry, wake, pause, send, resolve, say something of them, delete."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.http.views import RunItem, run_item
from torpor.limits import MAILBOX_CHARS_MAX

router = Router("runs")


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How to cancel a run.

    Attributes:
        reason: why, at most 512 characters.
        force: end it at once, whatever its code would clean up.
    """

    reason: str = ""
    force: bool = False


class Wake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which timers to end.

    Attributes:
        ids: as ``waits_for`` of the run has them; null for all.
    """

    ids: list[str] | None = None


class Woken(msgspec.Struct, frozen=True):
    """The timers that were ended."""

    ids: list[str]


class Resolve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a step ended that a run is blocked on.

    Attributes:
        op: number of the step, as ``blocked`` of the run has it, or its id.
        value: what it returns.
        failed: why it has failed instead.
    """

    op: int | str
    value: Any = None
    failed: str | None = None


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a message is sent.

    Attributes:
        id: give the same one when you try again; the run then gets it once.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAILBOX_CHARS_MAX)] | None = None


@router.post("/v1/runs/{run}/cancel", "operate")
async def cancel(call: Call, body: Cancel) -> RunItem:
    """Cancel a run, and the runs that it has started; it ends once its code has cleaned up."""
    info = await known_run(call)
    await call.service.client.run(info.id).cancel(body.reason, force=body.force)
    return await _now(call, info.id)


@router.post("/v1/runs/{run}/retry", "operate")
async def retry(call: Call) -> RunItem:
    """Take a failed run up again from before its failure."""
    info = await known_run(call)
    await call.service.client.run(info.id).retry()
    return await _now(call, info.id)


@router.post("/v1/runs/{run}/pause", "operate")
async def pause(call: Call) -> RunItem:
    """Let nothing happen in a run for now."""
    info = await known_run(call)
    await call.service.client.run(info.id).pause()
    return await _now(call, info.id)


@router.post("/v1/runs/{run}/unpause", "operate")
async def unpause(call: Call) -> RunItem:
    """Let a paused run go on."""
    info = await known_run(call)
    await call.service.client.run(info.id).unpause()
    return await _now(call, info.id)


@router.post("/v1/runs/{run}/wake", "operate")
async def wake(call: Call, body: Wake) -> Woken:
    """End sleeps and other timers of a run before their time."""
    info = await known_run(call)
    return Woken(await call.service.client.run(info.id).wake_up(body.ids))


@router.post("/v1/runs/{run}/messages/{name}", "operate", status=204, carries=True)
async def send(call: Call, query: Message) -> None:
    """Send a run a message, the body; it keeps it until its code receives it."""
    info = await known_run(call)
    await call.service.client.send(info.id, call.part("name"), await call.value(), id=query.id)


@router.post("/v1/runs/{run}/resolve", "operate")
async def resolve(call: Call, body: Resolve) -> RunItem:
    """Say how a step ended that a run is blocked on, because nobody knew."""
    info = await known_run(call)
    await call.service.client.run(info.id).resolve(body.op, body.value, failed=body.failed)
    return await _now(call, info.id)


@router.route("PATCH", "/v1/runs/{run}/attributes", "operate")
async def set_attributes(call: Call, body: dict[str, str | None]) -> RunItem:
    """Say something of a run, to find it by; null takes an attribute away."""
    info = await known_run(call)
    await call.service.client.run(info.id).set_attributes(body)
    return await _now(call, info.id)


@router.route("DELETE", "/v1/runs/{run}", "operate", status=204)
async def delete(call: Call) -> None:
    """Delete a run that has ended, with everything that belongs to it."""
    info = await known_run(call)
    await call.service.client.run(info.id).delete()


async def _now(call: Call, run_id: str) -> RunItem:
    return run_item(await call.service.client.run(run_id).info())
