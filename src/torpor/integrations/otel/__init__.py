"""
OpenTelemetry: spans of runs, turns and steps, and figures. Needs ``torpor[otel]``; see docs/telemetry.md.

::

    from torpor.integrations.otel import OpenTelemetry

    OpenTelemetry(app)

It uses the providers that the process has set, as every instrumentation does, and makes no network connection itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from opentelemetry import metrics, trace

from torpor import tracing
from torpor.engine.figures import Figures
from torpor.integrations.otel.meters import register
from torpor.integrations.otel.propagation import W3C
from torpor.integrations.otel.spans import Spans

if TYPE_CHECKING:
    from torpor.app import Torpor

__all__ = ["OpenTelemetry", "Traces"]

Traces = Literal["run", "turn"]


class OpenTelemetry:
    """
    Tells the workers of an application to make spans and figures.

    Args:
        app: the application.
        traces: ``run``: one trace for each run, whichever workers work on it; ``turn``: one for each turn and each step
            that another worker makes, linked to the run.
        tracer_provider, meter_provider: those of the process by default.

    Raises:
        ValueError: *traces* is neither.
    """

    def __init__(
        self,
        app: Torpor,
        *,
        traces: Traces = "run",
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        if traces not in ("run", "turn"):
            raise ValueError(f"traces={traces!r}: there are 'run' and 'turn'")
        figures = Figures()
        spans = Spans((tracer_provider or trace.get_tracer_provider()).get_tracer("torpor"), by_turn=traces == "turn")
        app.observers += [spans.observer, figures.observer]
        register((meter_provider or metrics.get_meter_provider()).get_meter("torpor"), figures)
        tracing.use(W3C())
