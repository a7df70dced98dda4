"""A run's spans, read from its log: the run, its steps with their attempts, its waits and hooks, as a tree."""

from __future__ import annotations

import msgspec

from torpor.inspection.details import RunDetails
from torpor.inspection.history import HookStory, StepStory
from torpor.programs.catalogue import short_name
from torpor.tracing import ids_of


class SpanNode(msgspec.Struct, frozen=True):
    """
    Something that took time.

    Attributes:
        kind: ``run``, ``step``, ``attempt``, ``wait`` or ``hook``.
        name: of the workflow or step, token of the hook.
        status: how it stands.
        start, end: epoch milliseconds; 0 for an end that has not come.
        worker: who made an attempt, ``""`` where that is nobody's.
        error: what an attempt raised.
        spans: what belongs to it, in the order of time.
    """

    kind: str
    name: str
    status: str
    start: int
    end: int
    worker: str = ""
    error: str = ""
    spans: list[SpanNode] = []


class Trace(msgspec.Struct, frozen=True):
    """
    The spans of a run.

    Attributes:
        trace_id: of the trace that OpenTelemetry has of it.
        root: the run itself.
    """

    trace_id: str
    root: SpanNode


def trace_of(details: RunDetails) -> Trace:
    """Return the spans of a run, as far as its log goes back."""
    run, history = details.summary.run, details.history
    steps = [_step(step) for step in history.steps.values()]
    waits = [SpanNode("wait", "sleep", wait.status, wait.created_at, wait.ended_at) for wait in history.waits.values()]
    hooks = [_hook(hook) for hook in history.hooks.values()]
    spans = sorted((*steps, *waits, *hooks), key=lambda each: each.start)
    root = SpanNode(
        "run", short_name(run.workflow), run.status, run.created_at, run.ended_at, error=run.error_code, spans=spans
    )
    return Trace(ids_of(run.id).trace, root)


def _step(step: StepStory) -> SpanNode:
    attempts = [
        SpanNode(
            "attempt",
            f"attempt {each.number}",
            each.outcome,
            each.started_at or step.created_at,
            each.ended_at,
            each.worker,
            "" if each.error is None else _said(each.error),
        )
        for each in step.attempts
    ]
    name = short_name(step.name)
    if len(attempts) == 1:  # a step and its only attempt are told as one
        only = attempts[0]
        return SpanNode("step", name, step.status, step.created_at, step.ended_at, only.worker, only.error)
    return SpanNode("step", name, step.status, step.created_at, step.ended_at, spans=attempts)


def _hook(hook: HookStory) -> SpanNode:
    return SpanNode("hook", hook.token or hook.watch, hook.status, hook.created_at, hook.ended_at)


def _said(error: object) -> str:
    return f"{error.get('name')}: {error.get('message')}" if isinstance(error, dict) else str(error)
