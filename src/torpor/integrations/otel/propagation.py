"""Traces across processes: W3C Trace Context, as OpenTelemetry reads and writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import Link
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from torpor.tracing import HEADER

_format = TraceContextTextMapPropagator()


class W3C:
    """See :class:`torpor.tracing.Propagation`."""

    def current(self) -> str:
        carrier: dict[str, str] = {}
        _format.inject(carrier)
        return carrier.get(HEADER, "")

    @contextmanager
    def entered(self, traceparent: str) -> Iterator[None]:
        token = context.attach(_format.extract({HEADER: traceparent}))
        try:
            yield
        finally:
            context.detach(token)


def link_to(traceparent: str) -> list[Link]:
    """Return a link to what a ``traceparent`` names, none where it names nothing."""
    span = trace.get_current_span(_format.extract({HEADER: traceparent})) if traceparent else trace.INVALID_SPAN
    return [Link(span.get_span_context())] if span.get_span_context().is_valid else []
