"""
What the World of the TypeScript Workflow SDK does: it writes an event, and the run that it is about is woken.

The events that start a run, cancel it, resume a hook, end a sleep and set attributes are here; all others are written
by Torpor's workers, because runs are carried on there.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from torpor import codec
from torpor.codec.values import Encoded
from torpor.engine.deployments import as_called
from torpor.errors import ArgumentError, EntityConflictError, HookNotFoundError
from torpor.http.problems import BadRequestError, ForbiddenError
from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.limits import MAILBOX_CHARS_MAX
from torpor.model.webhooks import WEBHOOK
from torpor.sdk_entities import RunEntity, run_entity

router = Router("sdk")

_OPENED: Final = "cpython"
"""The guest whose workflows get objects of the classes that they say, so that what they are given is opened here."""

_OWN: Final = "$"
"""Begins names of attributes that the SDK or Torpor writes itself; what runs come from Torpor knows by other means."""


class Change(msgspec.Struct, frozen=True):
    """An attribute and its text, null where it is taken away."""

    key: str
    value: str | None


class EventData(msgspec.Struct, frozen=True, rename="camel"):
    """
    What is said of an event; the SDK says more, which means nothing here.

    Attributes:
        workflow_name, input, attributes: of ``run_created``; the input as an envelope.
        cancel_reason: of ``run_cancelled``.
        token, payload: of ``hook_received``; the payload as an envelope.
        changes: of ``attr_set``.
    """

    workflow_name: str = ""
    input: bytes | None = None
    attributes: dict[str, str] = {}
    cancel_reason: str = ""
    token: str = ""
    payload: bytes | None = None
    changes: list[Change] = []


class NewEvent(msgspec.Struct, frozen=True, rename="camel"):
    """
    An event to be written.

    Attributes:
        event_type: what happened.
        correlation_id: the wait that it is about.
        resume_id: of ``hook_received``: asked again with the same one, the payload is received once.
        event_data: more of it.
    """

    event_type: Literal["run_created", "run_cancelled", "hook_received", "wait_completed", "attr_set"]
    correlation_id: str = ""
    resume_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAILBOX_CHARS_MAX)] | None = None
    event_data: EventData = EventData()


class Written(msgspec.Struct, frozen=True):
    """The run as it stands behind the event."""

    run: RunEntity


@router.post("/v1/sdk/runs/{run}/events", "operate", status=201)
async def create_event(call: Call, body: NewEvent) -> Written:
    """Write an event of the Workflow SDK to a run: start or cancel it, resume a hook, end a sleep, set attributes."""
    if body.event_type == "run_created":
        run_id = await _start(call, body.event_data)
    else:
        run_id = (await known_run(call)).id
        await _write(call, run_id, body)
    return Written(run_entity(await call.service.client.world.get_run(run_id)))


async def _start(call: Call, data: EventData) -> str:
    service = call.service
    envelope = _envelope(data.input, "input")
    found = await service.code_of(data.workflow_name)
    arguments: Any = Encoded(envelope)
    if found.workflow.guest == _OPENED:
        given = codec.loads(envelope, service.client.references)
        if not isinstance(given, list):
            raise ArgumentError(f"eventData.input of a run of {found.name} is no list of arguments")
        found, arguments = await service.startable(data.workflow_name, *as_called(given))
    if not call.grant.covers(found.name, found.workflow.queue):
        raise ForbiddenError(f"the token is not about runs of {found.name} in queue {found.workflow.queue!r}")
    attributes = {name: text for name, text in data.attributes.items() if not name.startswith(_OWN)}
    run = await service.client.create_run(
        found, arguments, runtime=service.runtime(None), run_id=call.part("run"), begins={"attributes": attributes}
    )
    return run.id


async def _write(call: Call, run_id: str, event: NewEvent) -> None:
    client, data = call.service.client, event.event_data
    run = client.run(run_id)
    match event.event_type:
        case "run_cancelled":
            if await run.status() != "cancelled":
                await run.cancel(data.cancel_reason)
        case "wait_completed":
            if not await run.wake_up([event.correlation_id]):
                raise EntityConflictError(f"run {run_id} has no open wait {event.correlation_id!r:.200}")
        case "attr_set":
            await run.set_attributes({change.key: change.value for change in data.changes})
        case _:
            await _resume(call, run_id, event)


async def _resume(call: Call, run_id: str, event: NewEvent) -> None:
    client, data = call.service.client, event.event_data
    envelope = _envelope(data.payload, "payload")
    hook = await client.world.hook(data.token)
    if hook.run_id != run_id:
        raise HookNotFoundError(f"no live hook of run {run_id} has the token {data.token!r:.200}")
    is_typed = hook.takes and not hook.takes.startswith(WEBHOOK)
    payload = codec.loads(envelope, client.references) if is_typed else Encoded(envelope)
    await client.resume_hook(data.token, payload, resume_id=event.resume_id)


def _envelope(data: bytes | None, name: str) -> bytes:
    """
    Return an envelope as it is stored.

    Raises:
        BadRequestError: there is none.
        SerializationError, LimitExceededError: it is none, or too large.
    """
    if data is None:
        raise BadRequestError(f"eventData.{name} is not there: the envelope of the value, in base64")
    return codec.pack_devalue(codec.unpack_devalue(data))
