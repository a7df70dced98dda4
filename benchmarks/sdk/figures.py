"""What is told of the samples: rows, and ratios of what the peers take beyond the ideal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.sdk.definitions import Definition, Sample
from benchmarks.sdk.peers import Peer
from torpor.model import Runtime

LEAST_MS = 0.01
"""No overhead counts as less: it would be the clock's."""


class Measured(msgspec.Struct, frozen=True):
    """
    The samples of a benchmark in a world.

    Attributes:
        scheme: of the world.
        definition: which benchmark.
        ideal: milliseconds that an engine needs which takes none itself.
        by_peer: samples of each peer, and Torpor's runtime.
    """

    scheme: str
    definition: Definition
    ideal: float
    by_peer: list[tuple[tuple[Peer, Runtime | None], list[Sample]]]


def rows_of(found: Sequence[Measured]) -> list[Row]:
    """Return all rows."""
    return [row for measured in found for row in _rows(measured, found)]


def _rows(measured: Measured, found: Sequence[Measured]) -> list[Row]:
    about = {"benchmark": measured.definition.name}
    rows = Rows("sdk", Setting(world=f"{measured.scheme}:", guest=""))
    rows.add("ideal", "ms", [measured.ideal], about)
    made = rows.all
    best = _best_sdk([measured])
    anywhere = _best_sdk([each for each in found if each.definition.name == measured.definition.name])
    for (peer, runtime), samples in measured.by_peer:
        if not samples:
            continue
        rows = Rows("sdk", Setting(world=f"{peer.place}:", guest=peer.engine, runtime=runtime or "replay"))
        params: dict[str, Any] = {**about, "peer": peer.name}
        if peer.version:
            params["version"] = peer.version
        overheads = _overheads(samples, measured.ideal)
        rows.add("wall", "ms", [each.wall_ms for each in samples], params)
        rows.add("overhead", "ms", overheads, params)
        rows.add("cpu", "ms", [each.cpu_ms for each in samples], params)
        rows.add("noted", "ms", [each.run_ms for each in samples], params)
        if any(each.first_ms for each in samples):
            rows.add("first_chunk", "ms", [each.first_ms for each in samples], params)
        if peer.is_torpor and best:
            rows.add("ratio", "ratio", [best / statistics.median(overheads)], params)
            rows.add("ratio_to_any", "ratio", [anywhere / statistics.median(overheads)], params)
        made += rows.all
    return made


def _best_sdk(found: Sequence[Measured]) -> float:
    """Return the least median overhead of the SDK, 0 where it has none."""
    medians = [
        statistics.median(_overheads(samples, measured.ideal))
        for measured in found
        for (peer, _), samples in measured.by_peer
        if samples and not peer.is_torpor
    ]
    return min(medians, default=0)


def _overheads(samples: Sequence[Sample], ideal: float) -> list[float]:
    return [max(LEAST_MS, each.wall_ms - ideal) for each in samples]
