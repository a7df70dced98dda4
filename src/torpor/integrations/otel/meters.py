"""Figures for OpenTelemetry: the same that Prometheus gets, read when they are exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from torpor.engine.figures import KINDS, Figures, Kind

Read = Callable[[CallbackOptions], Iterable[Observation]]


def register(meter: Meter, figures: Figures) -> None:
    """Make an instrument of each kind: ``torpor.NAME``, of a summary ``torpor.NAME.count`` as well."""
    for kind in KINDS.values():
        unit = kind.name.rpartition("_")[2] if kind.type == "summary" else "1"
        unit = {"seconds": "s", "bytes": "By"}.get(unit, unit)
        meter.create_observable_counter(f"torpor.{kind.name}", [_reading(figures, kind)], unit, kind.text)
        if kind.type == "summary":
            count = [_reading(figures, kind, count=True)]
            meter.create_observable_counter(f"torpor.{kind.name}.count", count, "1", kind.text)


def _reading(figures: Figures, kind: Kind, *, count: bool = False) -> Read:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        for sample in figures.samples():
            if sample.kind is kind:
                labels = dict(zip(kind.labels, sample.labels, strict=True))
                yield Observation(sample.times if count else sample.total, labels)

    return read
