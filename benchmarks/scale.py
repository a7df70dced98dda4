"""
The costs of the capacity model (:mod:`benchmarks.capacity`), measured, and the model checked: how many steps in a
second one, two and four worker processes carry out, beside what the model makes of the costs with one and four, for
the processors that they had and the transactions that a step took.
"""

from __future__ import annotations

import asyncio
import time

import msgspec
import psutil
from msgspec.structs import replace

from benchmarks import capacity
from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.costs import spent
from benchmarks.harness.database import file_bytes, fresh
from benchmarks.harness.progress import say
from benchmarks.harness.residence import cpu_seconds
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished
from benchmarks.throughput import settle

PROCESSES = (1, 2, 4)
RUNS = 400
RUNS_QUICK = 100
STEPS = 10


class Measured(msgspec.Struct, frozen=True):
    """
    What so many steps took.

    Attributes:
        wall: seconds.
        workers, server: processor seconds of workers and client, and of the database server.
        cores: processors that they had: what they used, and what nobody did.
    """

    wall: float
    workers: float
    server: float
    cores: float


def run(setting: Setting) -> list[Row]:
    """Return what a step costs with each number of processes, and measured and reckoned rates."""
    rows = Rows("scale", setting)
    found = {processes: _with(setting, processes) for processes in PROCESSES}
    (few, few_transactions, _), (many, many_transactions, _) = found[PROCESSES[0]], found[PROCESSES[-1]]
    step, transaction = capacity.fitted(few, few_transactions, many, many_transactions)
    steps = STEPS * (RUNS_QUICK if setting.quick else RUNS)
    for processes, (each, transactions, measured) in found.items():
        params = {"processes": processes}
        costs = capacity.Costs(step, transaction, transactions, 0)
        rows.add("worker_per_step", "µs", [each.worker_us], params)
        rows.add("server_per_step", "µs", [each.server_us], params)
        rows.add("log_per_step", "bytes", [each.log_bytes], params)
        rows.add("transactions_per_step", "1", [transactions], params)
        rows.add("dead_per_step", "rows", [each.dead_rows], params)
        rows.add("kept_per_step", "bytes", [each.kept_bytes], params)
        rows.add("cores", "1", [measured.cores], params)
        rows.add("steps_per_s", "1/s", [steps / measured.wall], params)
        reckoned = capacity.rate(costs, processes=processes, cores=measured.cores)
        rows.add("reckoned_per_s", "1/s", [reckoned], params)
    return rows.all


def _with(setting: Setting, processes: int) -> tuple[capacity.Spent, float, Measured]:
    """Return what a step costs with so many worker processes, how many transactions, and what was measured."""
    say(f"scale: {processes} processes")
    steps = STEPS * (RUNS_QUICK if setting.quick else RUNS)
    with fresh(replace(setting, processes=processes)) as place:
        child.call(settle, place)
        before = file_bytes(place) or 0
        with spent(place) as counted:
            measured = child.call(measure, place)
        after = file_bytes(place) or 0
    made = 2 * steps  # those that came before are counted with them
    totals = {name: total / made for name, (total, unit) in counted.totals.items() if unit != "%"}
    each = capacity.Spent(
        1_000_000 * measured.workers / steps,
        1_000_000 * measured.server / steps,
        totals.get("wal", totals.get("written", 0)),
        totals.get("dead", 0),
        (after - before) / made,
    )
    return each, totals.get("transactions", 0), measured


def measure(setting: Setting) -> Measured:
    """Carry the runs out, after as many others, so that every worker has been at it."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    runs = RUNS_QUICK if setting.quick else RUNS
    async with working(setting) as app:
        await asyncio.gather(*(finished(app.start("sequential", STEPS), STEPS) for _ in range(runs)))
        server = _server(setting)
        before, server_before, machine_before = cpu_seconds(), _server_seconds(server), psutil.cpu_times()
        begun = time.perf_counter()
        await asyncio.gather(*(finished(app.start("sequential", STEPS), STEPS) for _ in range(runs)))
        wall = time.perf_counter() - begun
        workers, served = cpu_seconds() - before, _server_seconds(server) - server_before
        idle = psutil.cpu_times().idle - machine_before.idle
    return Measured(wall, workers, served, (workers + served + idle) / wall)


def _server(setting: Setting) -> psutil.Process | None:
    """Return the first process of a Postgres server on this machine, None of another world."""
    if setting.scheme != "postgres":
        return None
    import psycopg  # noqa: PLC0415  # needs the extra that brings a driver

    from torpor.worlds.postgres.url import parse  # noqa: PLC0415  # as above

    with psycopg.connect(parse(setting.world).server) as db:
        [(pid,)] = db.execute("SELECT pg_backend_pid()").fetchall()
        return psutil.Process(pid).parent()


def _server_seconds(server: psutil.Process | None) -> float:
    """Return the processor time of a server, of those of its processes too that have ended."""
    if server is None:
        return 0.0
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for process in server.children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total
