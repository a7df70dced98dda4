"""The table of ``docs/benchmarks.md``: ``python -m benchmarks sdk --json | python -m benchmarks.sdk.markdown``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.harness.rows import Report, Row
from benchmarks.sdk.table import GOALS, of_world

_WHOLE = 10


def tables(report: Report) -> Iterator[str]:
    """Yield a table for each world: what each peer takes beyond the ideal, in ms, and the SDK's part over Torpor's."""
    for world in dict.fromkeys(row.world for row in report.rows if row.name == "ideal"):
        rows = [row for row in of_world(report.rows, world) if row.runtime == "snapshot" or "version" in row.params]
        yield "\n".join(_lines(world, rows))


def _lines(world: str, rows: Sequence[Row]) -> Iterator[str]:
    peers = list(dict.fromkeys(row.params["peer"] for row in rows if row.name == "overhead"))
    rated = [peer for peer in peers if peer in GOALS]
    heads = [world, "ideal", *peers, *(f"SDK ÷ {peer} (goal {GOALS[peer]})" for peer in rated)]
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for benchmark in dict.fromkeys(row.params["benchmark"] for row in rows):
        found = {(row.name, row.params.get("peer")): row for row in rows if row.params["benchmark"] == benchmark}
        cells = [benchmark, f"{found['ideal', None].median:.4g}"]
        cells += [_overhead(found.get(("overhead", peer))) for peer in peers]
        cells += [_ratio(found.get(("ratio", peer)), GOALS[peer]) for peer in rated]
        yield f"| {' | '.join(cells)} |"


def _overhead(row: Row | None) -> str:
    return "" if row is None else f"{_number(row.median)} ({_number(row.min)})"


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= _WHOLE else f"{value:.2g}"


def _ratio(row: Row | None, goal: float) -> str:
    if row is None:
        return ""
    told = _number(row.median)
    return told if row.median >= goal else f"**{told}**"


if __name__ == "__main__":
    print("\n\n".join(tables(msgspec.json.decode(sys.stdin.buffer.read(), type=Report))))
