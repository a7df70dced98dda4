"""A report as a table for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.harness.rows import Report, Row


def print_head(report: Report, console: Console) -> None:
    """Print what a report was measured on."""
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    console.print(f"[bold]{report.bench}[/bold]", highlight=False)
    floor = report.floor
    least = (
        f"floor: durable commit {floor['durable_commit']:g} ms, guest call {floor['guest_call']:g} µs, "
        f"faults of a restore {floor['faults']:g} µs"
    )
    console.print(f"{machine}\n{versions}\n{least}", style="dim", highlight=False)


def print_table(report: Report, console: Console) -> None:
    """Print a report: what it was measured on, then its rows."""
    print_head(report, console)
    table = Table("name", "world", "guest", "runtime", "params", box=None, pad_edge=False)
    for heading in ("median", "min", "max", "÷ floor"):
        table.add_column(heading, justify="right")
    for heading in ("unit", "n", "budget"):
        table.add_column(heading)
    for row in report.rows:
        params = " ".join(f"{name}={value}" for name, value in row.params.items())
        figures = (f"{value:,.10g}" for value in (row.median, row.min, row.max))
        budget = _verdict(row)
        ratio = "" if row.ratio is None else f"{row.ratio:,.3g}"
        place = (row.name, row.world, row.guest, row.runtime, params)
        table.add_row(*place, *figures, ratio, row.unit, str(row.n), budget)
    console.print(table)
    console.print()


def _verdict(row: Row) -> str:
    if row.budget is None:
        return ""
    sign = "✓" if row.budget.met else "✗"
    if row.budget.at_most is not None:
        return f"{sign} ≤ {row.budget.at_most:,g}"
    return f"{sign} ≥ {row.budget.at_least:,g}"
