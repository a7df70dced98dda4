"""The benchmarks by name."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from rich.console import Console

from benchmarks import (
    capsule,
    cli,
    codec,
    crash,
    fair,
    fanout,
    floor,
    forever,
    http,
    idle,
    idle_worker,
    imports,
    lists,
    pages,
    payload,
    resume,
    retention,
    scale,
    sequential,
    serverless,
    streams,
    throughput,
    travel,
    vm,
    warm,
)
from benchmarks.harness.rows import Report, Row
from benchmarks.harness.setting import Setting
from benchmarks.harness.table import print_table
from benchmarks.sdk import compared
from benchmarks.sdk.table import print_tables


class Benchmark(msgspec.Struct, frozen=True):
    """
    One benchmark.

    Attributes:
        work: what is done, in a line.
        run: does it.
        compares: whether it measures every guest unless told which.
        spreads: whether its runs may be worked on by several processes.
        parts: whether it has parts that ``--only`` may name.
        show: prints its report for people.
    """

    work: str
    run: Callable[[Setting], list[Row]]
    compares: bool = False
    spreads: bool = False
    parts: bool = False
    show: Callable[[Report, Console], None] = print_table


BENCHMARKS = {
    "floor": Benchmark("what the machine allows: a durable commit, an empty guest call, a restore's faults", floor.run),
    "vm": Benchmark("one VM: restore a parked workflow, deliver one result, take the snapshot", vm.run, compares=True),
    "imports": Benchmark("what an import costs every run of a Python workflow", imports.run),
    "sequential": Benchmark("a workflow awaits trivial steps one after another", sequential.run, spreads=True),
    "fanout": Benchmark("a workflow awaits many trivial steps at once", fanout.run, spreads=True),
    "throughput": Benchmark("200 concurrent runs of 5 trivial sequential steps", throughput.run, spreads=True),
    "fair": Benchmark("a trivial run and a timer beside 16 hot runs and 2 that compute", fair.run, spreads=True),
    "travel": Benchmark("moments of a past of 10 000 events, their neighbours, and a fork", travel.run),
    "resume": Benchmark(
        "wake a run with a long past, warm and in a fresh process", resume.run, compares=True, spreads=True
    ),
    "payload": Benchmark("50 sequential steps that each take and return 10 KB", payload.run, spreads=True),
    "lists": Benchmark("300 000 stored runs: pages and searches, and a turn's load beside them", lists.run),
    "pages": Benchmark("the pages of 300 000 runs and of a run with 100 000 events: server, browser", pages.run),
    "capsule": Benchmark("a run of 10 000 events: out as a capsule, into another world, opened", capsule.run),
    "streams": Benchmark(
        "a step writes 10 000 small chunks and 100 large ones, others read along", streams.run, spreads=True
    ),
    "http": Benchmark("the front door on loopback, beside the direct client", http.run),
    "crash": Benchmark("SIGKILL in the middle of 100 steps, restart, finish", crash.run),
    "serverless": Benchmark("a run that lives in a process for each of its 100 moments", serverless.run, compares=True),
    "idle": Benchmark("100 000 parked runs: bytes, memory, waking 100", idle.run, spreads=True),
    "idle_worker": Benchmark("a worker with nothing to do: queries, processor time, waking", idle_worker.run),
    "retention": Benchmark("100 000 ended runs are deleted, and steps beside it", retention.run),
    "scale": Benchmark("what a step costs with 1, 2 and 4 processes, and whether the capacity model holds", scale.run),
    "sdk": Benchmark(
        "the SDK's own 21 benchmarks, and the SDK itself beside Torpor", compared.run, parts=True, show=print_tables
    ),
    "forever": Benchmark("a million steps of one run whose log is dropped behind it", forever.run),
    "cli": Benchmark("processor time of torpor --help, runs and inspect", cli.run),
    "warm": Benchmark("compile and boot each guest on an empty cache", warm.run),
    "codec": Benchmark("encode and decode payloads, beside json, pickle and npm devalue", codec.run),
}
