"""What a piece of work costs besides time: transactions, statements, bytes written, dead rows; for each step or run."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from benchmarks.harness.floor import durable_commits
from benchmarks.harness.rows import Rows
from benchmarks.harness.setting import Setting

_BLOCK: Final = 512  # bytes, of which the kernel counts


class Costs:
    """Totals by name, and their units."""

    def __init__(self) -> None:
        self.totals: dict[str, tuple[float, str]] = {}

    def add_to(self, rows: Rows, count: int, of: str, params: Mapping[str, object]) -> None:
        """Add a row for each total, divided by how many steps or runs there were."""
        for name, (total, unit) in self.totals.items():
            each = total if unit == "%" else total / count
            rows.add(f"{name}_per_{of}" if unit != "%" else name, unit, [each], params)


@contextmanager
def spent(setting: Setting) -> Iterator[Costs]:
    """
    Count what the processes of the block's :func:`benchmarks.harness.child.call` cost, from their start to their end.

    ``sqlite``: bytes that they have had written to the disk. ``postgres``: transactions and, where the server counts
    them, statements; bytes of its write-ahead log; row versions left dead; and how many updates touched no index.
    ``redis``: calls of scripts, all commands, its processor time, and bytes of its log unless that was rewritten.
    """
    costs = Costs()
    if setting.scheme == "sqlite":
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
        yield costs
        blocks = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock - before
        costs.totals["written"] = (blocks * _BLOCK, "bytes")
    elif setting.scheme == "postgres":
        from benchmarks.harness import postgres  # noqa: PLC0415  # needs the extra that brings a driver

        first = postgres.counters(setting.world)
        yield costs
        last = postgres.counters(setting.world)
        costs.totals["transactions"] = (last.transactions - first.transactions, "1")
        if first.statements is not None and last.statements is not None:
            costs.totals["statements"] = (last.statements - first.statements, "1")
        costs.totals["wal"] = (last.wal - first.wal, "bytes")
        costs.totals["dead"] = (last.dead - first.dead, "rows")
        if updates := last.updates - first.updates:
            costs.totals["hot_updates"] = (100 * (last.hot - first.hot) / updates, "%")
    elif setting.scheme == "redis":
        from benchmarks.harness import redis  # noqa: PLC0415  # as above

        start = redis.counters(setting.world)
        yield costs
        end = redis.counters(setting.world)
        costs.totals["calls"] = (end.calls - start.calls, "1")
        costs.totals["commands"] = (end.commands - start.commands, "1")
        costs.totals["server_cpu"] = (1_000_000 * (end.cpu - start.cpu), "µs")
        if end.log is not None and start.log is not None and end.rewrites == start.rewrites:
            costs.totals["logged"] = (end.log - start.log, "bytes")
    else:
        yield costs


def raw_commits(setting: Setting) -> list[float]:
    """Return samples of a durable commit of 8 KB by the world's engine itself, in milliseconds."""
    if setting.scheme == "sqlite":
        return durable_commits()
    if setting.scheme == "postgres":
        from benchmarks.harness import postgres  # noqa: PLC0415  # as above

        return postgres.raw_commits(setting.world)
    return []
