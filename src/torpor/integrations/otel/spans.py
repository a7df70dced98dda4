"""
Spans of what a worker does.

A run is worked on by many processes, one after the other, which share nothing but the world. So trace and span of a run
are made of its id: each worker knows whose child its spans are, and whoever stores the end makes the span of the whole.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from torpor.engine.observer import (
    AttemptBegan,
    AttemptEnded,
    Observation,
    Observer,
    RunRebuilt,
    RunSnoozed,
    Stored,
    TurnBegan,
    TurnEnded,
    only,
)
from torpor.integrations.otel.propagation import link_to
from torpor.lifecycle import RUN_ENDINGS
from torpor.programs.catalogue import short_name
from torpor.tracing import ids_of

_NS: Final = 1_000_000


def run_context(run_id: str, *, sampled: bool = True) -> SpanContext:
    """Return trace and span of a run."""
    ids = ids_of(run_id)
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(int(ids.trace, 16), int(ids.span, 16), is_remote=True, trace_flags=flags)


class Spans:
    """
    Makes spans of what it observes.

    Args:
        tracer: makes them.
        by_turn: each turn is a trace of its own.
    """

    def __init__(self, tracer: Tracer, *, by_turn: bool) -> None:
        self._tracer = tracer
        self._by_turn = by_turn
        self._planned = _Planned(getattr(tracer, "id_generator", None))
        if self._planned.usual is not None:  # without an SDK there are no spans either
            vars(tracer)["id_generator"] = self._planned
        self._turns: dict[str, Span] = {}  # by run
        self._attempts: dict[tuple[str, int], tuple[Span, Any]] = {}

    @property
    def observer(self) -> Observer:
        """What workers tell."""
        return only(self._observe, TurnBegan, TurnEnded, Stored, AttemptBegan, AttemptEnded, RunSnoozed, RunRebuilt)

    def _observe(self, observation: Observation) -> None:
        match observation:
            case TurnBegan():
                self._turn_began(observation)
            case TurnEnded(run_id=run_id, how=how):
                if (turn := self._turns.pop(run_id, None)) is not None:
                    turn.set_attribute("torpor.turn.end", how)
                    turn.end()
            case Stored(events=(*_, last)) if last.type in RUN_ENDINGS:
                self._run_ended(observation)
            case AttemptBegan():
                self._attempt_began(observation)
            case AttemptEnded():
                self._attempt_ended(observation)
            case RunSnoozed(run_id=run_id, why=why) | RunRebuilt(run_id=run_id, why=why):
                if run_id in self._turns:
                    self._turns[run_id].add_event(type(observation).__name__, {"why": why})

    def _turn_began(self, began: TurnBegan) -> None:
        about: dict[str, Any] = {
            "workflow.name": short_name(began.workflow),
            "workflow.run.id": began.run_id,
            "torpor.worker.id": began.worker_id,
            "torpor.run.epoch": began.epoch,
        }
        within, links = self._within(began.run_id)
        self._turns[began.run_id] = self._tracer.start_span(
            f"workflow.execute {short_name(began.workflow)}", within, SpanKind.CONSUMER, about, links
        )

    def _attempt_began(self, began: AttemptBegan) -> None:
        about: dict[str, Any] = {
            "workflow.run.id": began.run_id,
            "step.id": began.step_id,
            "step.name": short_name(began.name),
            "step.attempt": began.attempt,
        }
        turn = self._turns.get(began.run_id)
        within, links = self._within(began.run_id) if turn is None else (trace.set_span_in_context(turn), [])
        span = self._tracer.start_span(
            f"step.execute {short_name(began.name)}", within, SpanKind.INTERNAL, about, links
        )
        # What the step does from here on is a part of it: this is the task that will call it.
        token = context.attach(trace.set_span_in_context(span))
        self._attempts[began.step_id, began.attempt] = span, token

    def _attempt_ended(self, ended: AttemptEnded) -> None:
        if (ended.step_id, ended.attempt) not in self._attempts:
            return
        span, token = self._attempts.pop((ended.step_id, ended.attempt))
        with suppress(ValueError):  # of a task that is closed from elsewhere
            context.detach(token)
        span.set_attribute("step.status", ended.outcome)
        if ended.error:
            span.set_attribute("step.error.message", ended.error)
            span.set_status(Status(StatusCode.ERROR, ended.error))
        if ended.outcome == "retrying":
            span.set_attribute("step.retry.will_retry", value=True)
        span.end()

    def _run_ended(self, stored: Stored) -> None:
        ending, name = stored.events[-1], short_name(stored.workflow)
        status = ending.type.removeprefix("run_")
        about = {"workflow.name": name, "workflow.run.id": stored.run_id, "workflow.run.status": status}
        links = [*link_to(stored.trace), *([Link(run_context(stored.parent))] if stored.parent else [])]
        root = run_context(stored.run_id)
        with self._planned.next(root):
            span = self._tracer.start_span(
                f"workflow.run {name}", context.Context(), SpanKind.INTERNAL, about, links, stored.created_at * _NS
            )
        if status == "failed":
            span.set_attribute("workflow.error.code", ending.name)
            span.set_status(Status(StatusCode.ERROR, ending.name))
        span.end(max(ending.at, stored.created_at) * _NS)

    def _within(self, run_id: str) -> tuple[context.Context, list[Link]]:
        """Return in which context a span of a run begins, and with which links."""
        run = run_context(run_id, sampled=self._samples(run_id))
        if self._by_turn:
            return context.Context(), [Link(run)]
        return trace.set_span_in_context(NonRecordingSpan(run), context.Context()), []

    def _samples(self, run_id: str) -> bool:
        """Return whether the run's own span will be sampled, which its end decides in the same way."""
        sampler = getattr(self._tracer, "sampler", None)
        if sampler is None:
            return True
        decided = sampler.should_sample(context.Context(), run_context(run_id).trace_id, "workflow.run")
        return bool(decided.decision.is_sampled())


class _Planned:
    """
    Makes ids as the usual generator does, but for the next span, which may have planned ones.

    Args:
        usual: the generator.
    """

    def __init__(self, usual: Any) -> None:
        self.usual = usual
        self._next: SpanContext | None = None

    def next(self, planned: SpanContext) -> _Planned:
        """Plan the ids of the span that is made in the block."""
        self._next = planned
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._next = None

    def generate_trace_id(self) -> int:
        """Return the id of a trace."""
        found: int = self.usual.generate_trace_id() if self._next is None else self._next.trace_id
        return found

    def generate_span_id(self) -> int:
        """Return the id of a span."""
        found: int = self.usual.generate_span_id() if self._next is None else self._next.span_id
        return found

    def is_trace_id_random(self) -> bool:
        """Tell the SDK whether ids of traces are random: those that are made of ids of runs are not."""
        return False
