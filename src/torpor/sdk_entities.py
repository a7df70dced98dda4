"""
Runs, steps, events and hooks as the World of the TypeScript Workflow SDK has them.

Names and states are the SDK's. What it has no name for is told by the nearest one, and an event that its log has no
type for is a ``noop``, which its readers step over: so every event keeps its place. Times are epoch milliseconds,
payloads envelopes of the codec, which is the SDK's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from torpor import codec
from torpor.codec import bare
from torpor.codec.errors import JavaScriptError, PythonError
from torpor.engine.endings import ended_by_world
from torpor.engine.step_deadlines import missed
from torpor.errors import TorporError
from torpor.lifecycle import RunStatus
from torpor.model import Event, Hook, Run, StepInfo
from torpor.model.webhooks import WEBHOOK

DEPLOYMENT: Final = "torpor"
"""The deployment of everything: the SDK has one for each version of the code, and a run here keeps its program."""

SPEC_VERSION: Final = 7
"""Of the SDK's World: payloads may be compressed, events are numbered, and some are ``noop``."""

StepStatus = Literal["pending", "running", "completed", "failed", "cancelled"]

_STEP_STATUSES: Final[Mapping[str, StepStatus]] = {
    "pending": "pending",
    "running": "running",
    "retrying": "pending",
    "blocked": "running",  # nobody knows how it ended, so that it has not
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_EXCEPTION: Final = b"class//python//exception//"
_EVENT_DIGITS: Final = 26
_EVENT_PREFIX: Final = "evnt_"


class _Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    pass


class RunEntity(_Entity, frozen=True, kw_only=True):
    """A run; *input*, *output* and *error* where they are wanted, as envelopes."""

    run_id: str
    status: RunStatus
    workflow_name: str
    deployment_id: str
    spec_version: int
    attributes: dict[str, str]
    execution_context: dict[str, str]
    created_at: int
    updated_at: int
    started_at: int | None = None
    completed_at: int | None = None
    error_code: str | None = None
    input: bytes | None = None
    output: bytes | None = None
    error: bytes | None = None


class StepEntity(_Entity, frozen=True, kw_only=True):
    """A step; *error* is that of its newest attempt that failed."""

    run_id: str
    step_id: str
    step_name: str
    status: StepStatus
    attempt: int
    spec_version: int
    created_at: int
    updated_at: int
    started_at: int | None = None
    completed_at: int | None = None
    retry_after: int | None = None
    input: bytes | None = None
    output: bytes | None = None
    error: bytes | None = None


class EventEntity(_Entity, frozen=True, kw_only=True):
    """An event; what *event_data* has depends on its type."""

    run_id: str
    event_id: str
    event_type: str
    spec_version: int
    created_at: int
    correlation_id: str | None = None
    resume_id: str | None = None
    event_data: dict[str, Any] = {}


class ResumeContext(_Entity, frozen=True, kw_only=True):
    """What the SDK asks of a run before it resumes a hook of it."""

    deployment_id: str
    workflow_name: str
    run_spec_version: int


class HookEntity(_Entity, frozen=True, kw_only=True):
    """A live hook; who owns it, and of which project and environment, nobody here asks."""

    run_id: str
    hook_id: str
    token: str
    owner_id: str
    project_id: str
    environment: str
    spec_version: int
    created_at: int
    is_webhook: bool
    resume_context: ResumeContext
    metadata: bytes | None = None


def run_entity(run: Run, first: Event | None = None, last: Event | None = None) -> RunEntity:
    """Return a run; *first* and *last* are the events that began and ended it, where its payloads are wanted."""
    return RunEntity(
        run_id=run.id,
        status=run.status,
        workflow_name=run.workflow,
        deployment_id=DEPLOYMENT,
        spec_version=SPEC_VERSION,
        attributes=run.attributes,
        execution_context={"runtime": run.runtime, "guest": run.guest},
        created_at=run.created_at,
        updated_at=run.latest_at or run.ended_at or run.started_at or run.created_at,
        started_at=run.started_at or None,
        completed_at=run.ended_at or None,
        error_code=run.error_code or None,
        input=first.payload if first is not None and first.type == "run_created" else None,
        output=last.payload if last is not None and last.type == "run_completed" else None,
        error=failure_of(last) if last is not None and last.type == "run_failed" else None,
    )


def step_entities(steps: Iterable[StepInfo], events: Iterable[Event], *, with_data: bool) -> list[StepEntity]:
    """
    Return steps.

    Args:
        steps: they, as they stand.
        events: the log that tells of them.
        with_data: whether with their payloads.
    """
    inputs: dict[str, bytes | None] = {}
    outputs: dict[str, bytes | None] = {}
    errors: dict[str, bytes | None] = {}
    retries: dict[str, int] = {}
    for event in events:
        match event.type:
            case "step_created":
                inputs[event.id] = event.payload
            case "step_completed":
                outputs[event.id] = event.payload
            case "step_failed" | "step_retrying":
                errors[event.id] = failure_of(event)
                retries[event.id] = event.due
    return [
        StepEntity(
            run_id=step.run_id,
            step_id=step.id,
            step_name=step.name,
            status=_STEP_STATUSES[step.status],
            attempt=step.attempt,
            spec_version=SPEC_VERSION,
            created_at=step.created_at,
            updated_at=step.ended_at or step.started_at or step.created_at,
            started_at=step.started_at or None,
            completed_at=step.ended_at or None,
            retry_after=(retries.get(step.id) or None) if step.status == "retrying" else None,
            input=inputs.get(step.id) if with_data else None,
            output=outputs.get(step.id) if with_data else None,
            error=errors.get(step.id) if with_data else None,
        )
        for step in steps
    ]


def event_entity(run: Run, event: Event, *, with_data: bool) -> EventEntity:
    """Return an event of a run's log; without data its payload is left out."""
    told = _told(run, event)
    data = {"torpor": event.type} if told is None else told
    if not with_data:
        data = {name: value for name, value in data.items() if not isinstance(value, bytes)}
    return EventEntity(
        run_id=run.id,
        event_id=event_id(event.seq),
        event_type="noop" if told is None else event.type,
        spec_version=SPEC_VERSION,
        created_at=event.at,
        correlation_id=event.id or None,
        resume_id=event.ref if event.type == "hook_received" and event.ref else None,
        event_data={name: value for name, value in data.items() if value not in (None, "", 0) or value is False},
    )


def hook_entity(hook: Hook, workflow: str, metadata: bytes | None) -> HookEntity:
    """Return a hook of a run of a workflow; *metadata* where they are wanted, as an envelope."""
    return HookEntity(
        run_id=hook.run_id,
        hook_id=hook.id,
        token=hook.token,
        owner_id=DEPLOYMENT,
        project_id=DEPLOYMENT,
        environment=DEPLOYMENT,
        spec_version=SPEC_VERSION,
        created_at=hook.created_at,
        is_webhook=hook.takes.startswith(WEBHOOK),
        resume_context=ResumeContext(deployment_id=DEPLOYMENT, workflow_name=workflow, run_spec_version=SPEC_VERSION),
        metadata=metadata,
    )


def event_id(seq: int) -> str:
    """Return the id of event number *seq* of a run."""
    return f"{_EVENT_PREFIX}{seq:0{_EVENT_DIGITS}d}"


def seq_of(event: str) -> int:
    """Return the number of the event with an id, 0 for what is no id."""
    digits = event.removeprefix(_EVENT_PREFIX)
    return int(digits) if len(digits) == _EVENT_DIGITS and digits.isascii() and digits.isdigit() else 0


def failure_of(event: Event) -> bytes | None:
    """Return what an event tells of a failure, also where it is the world's own word; an exception as an Error."""
    error = ended_by_world(event) or missed(event)
    return _as_thrown(event.payload if error is None else codec.dumps(error))


def _as_thrown(payload: bytes | None) -> bytes | None:
    """Return an error as JavaScript has errors: the SDK knows no exception of Python. All others are left unopened."""
    if payload is None or _EXCEPTION not in payload:
        return payload
    try:
        found = bare.loads(payload)
    except TorporError:
        return payload
    return codec.dumps(_thrown(found)) if isinstance(found, PythonError) else payload


def _thrown(error: PythonError) -> JavaScriptError:
    fields: dict[str, Any] = {"name": error.name, "message": error.message, "stack": error.stack}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        fields["cause"] = _thrown(cause) if isinstance(cause, PythonError) else cause
    return JavaScriptError("Error", fields)


def _told(run: Run, event: Event) -> dict[str, Any] | None:
    """Return what the SDK has in the data of an event; None for one of a type that is Torpor's alone."""
    if event.type in _OF_STEPS:
        return _told_of_step(event)
    if event.type in _OF_HOOKS:
        return _told_of_hook(event)
    match event.type:
        case "run_started" | "wait_completed":
            return {}
        case "wait_created":
            return {"resumeAt": event.due}
        case "attr_set":
            changes = [{"key": name, "value": text} for name, text in json.loads(event.ref).items()]
            return {"changes": changes, "writer": {"type": "workflow"}}
        case _:
            return _told_of_run(run, event)


def _told_of_run(run: Run, event: Event) -> dict[str, Any] | None:
    match event.type:
        case "run_created":
            return {"deploymentId": DEPLOYMENT, "workflowName": run.workflow, "input": event.payload}
        case "run_completed":
            return {"output": event.payload}
        case "run_failed":
            return {"error": failure_of(event), "errorCode": event.name}
        case "run_cancelled":
            return {"cancelReason": event.ref}
        case _:
            return None


_OF_STEPS: Final = ("step_created", "step_started", "step_completed", "step_failed", "step_retrying")
_OF_HOOKS: Final = ("hook_created", "hook_received", "hook_disposed", "hook_conflict")


def _told_of_step(event: Event) -> dict[str, Any]:
    about: dict[str, Any] = {"stepName": event.name}
    match event.type:
        case "step_created":
            return {**about, "input": event.payload}
        case "step_started":
            return {**about, "attempt": event.attempt}
        case "step_completed":
            return {**about, "result": event.payload}
        case _:
            return {**about, "error": failure_of(event), "retryAfter": event.due if event.payload is not None else 0}


def _told_of_hook(event: Event) -> dict[str, Any]:
    about: dict[str, Any] = {"token": event.name}
    match event.type:
        case "hook_created":
            is_webhook = event.takes.startswith(WEBHOOK)
            is_system = True if event.watches else None
            return {**about, "metadata": event.payload, "isWebhook": is_webhook, "isSystem": is_system}
        case "hook_received":
            return {**about, "payload": event.payload}
        case "hook_conflict":
            return {**about, "conflictingRunId": event.ref}
        case _:
            return about
