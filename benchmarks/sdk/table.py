"""The report for people: a table for each world, a line for each benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.harness.rows import Report, Row
from benchmarks.harness.table import print_head

_NOTHING: Final = "-"
GOALS: Final = {"torpor-python": 10, "torpor-node": 4}
"""How many times as long as Torpor's peers the SDK is to take beyond the ideal."""


def print_tables(report: Report, console: Console) -> None:
    """Print what each benchmark takes at least, what each peer takes beyond it, and the SDK's part over Torpor's."""
    print_head(report, console)
    for world in dict.fromkeys(row.world for row in report.rows if row.name == "ideal"):
        _print(world, list(of_world(report.rows, world)), console)


def of_world(rows: Iterable[Row], world: str) -> Iterable[Row]:
    """Yield the rows of a world: those behind its ideals, each up to the next ideal."""
    ours = False
    for row in rows:
        if row.name == "ideal":
            ours = row.world == world
        if ours:
            yield row


def _print(world: str, rows: list[Row], console: Console) -> None:
    peers = list(dict.fromkeys(_peer(row) for row in rows if row.name == "overhead"))
    rated = [peer for peer in peers if peer[0] in GOALS and peer[1] == "snapshot"]
    table = Table(f"{world}, ms beyond the ideal", box=None, pad_edge=False)
    table.add_column("ideal", justify="right")
    for name, runtime in peers:
        table.add_column(f"{name}\n{runtime}", justify="right")
    for name, _ in rated:
        table.add_column(f"SDK ÷\n{name}", justify="right")
    for benchmark in dict.fromkeys(row.params["benchmark"] for row in rows):
        ours = [row for row in rows if row.params["benchmark"] == benchmark]
        ideal = next(row for row in ours if row.name == "ideal")
        cells = [_overhead(ours, peer) for peer in peers]
        table.add_row(benchmark, f"{ideal.median:,.1f}", *cells, *(_ratio(ours, peer) for peer in rated))
    console.print(table)
    places = {f"{row.params['peer']}: {row.world}" for row in rows if row.name == "overhead"}
    console.print(f"median (smallest); {'; '.join(sorted(places))}\n", style="dim", highlight=False)


def _peer(row: Row) -> tuple[str, str]:
    return row.params["peer"], row.runtime


def _overhead(rows: list[Row], peer: tuple[str, str]) -> str:
    found = next((row for row in rows if row.name == "overhead" and _peer(row) == peer), None)
    return _NOTHING if found is None else f"{found.median:,.1f} ({found.min:,.1f})"


def _ratio(rows: list[Row], peer: tuple[str, str]) -> str:
    found = next((row for row in rows if row.name == "ratio" and _peer(row) == peer), None)
    if found is None:
        return _NOTHING
    sign = "✓" if found.median >= GOALS[peer[0]] else "✗"
    return f"{found.median:,.3g} {sign}"
