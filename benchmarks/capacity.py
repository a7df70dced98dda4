"""
What a load needs, reckoned from what one step and one sleeping run cost: processors, write-ahead log, room, and which
of them runs out first.

::

    python -m benchmarks.capacity --steps 10000 --sleeping 1e9
    python -m benchmarks.capacity --steps 2000 --world sqlite --cores 8

The costs are measured ones (``python -m benchmarks scale`` prints those of your machine); the model is linear in them,
which ``scale`` checks with one, two and four worker processes.
"""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec
import typer

GIB: Final = 1024**3
MIB: Final = 1024**2
LEAST_FURTHER: Final = 0.05
"""Costs with hardly more transactions a step say nothing of a transaction's."""


class Spent(msgspec.Struct, frozen=True):
    """
    What one step, or one transaction, costs.

    Attributes:
        worker_us, server_us: processor time of workers and client, and of the database server, in µs.
        log_bytes: written to the write-ahead log.
        dead_rows: left for autovacuum.
        kept_bytes: that stay in the database until retention takes them.
    """

    worker_us: float
    server_us: float
    log_bytes: float
    dead_rows: float
    kept_bytes: float

    def plus(self, other: Spent, times: float) -> Spent:
        """Return this, and so many times the other."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Spent(*(max(0.0, own + times * its) for own, its in pairs))


class Costs(msgspec.Struct, frozen=True):
    """
    What a world and its workers spend on a step: a part that is always there, and one for each transaction.

    A worker that has much to do stores several steps in one transaction, and several runs' transactions as one: half a
    transaction a step. With more workers than work for each it is one and more.

    Attributes:
        step, transaction: the two parts.
        transactions: of a step in the mean.
        sleeping_bytes: of a run that sleeps, with its indexes.
        idle_queries: of an idle worker in a second.
    """

    step: Spent
    transaction: Spent
    transactions: float
    sleeping_bytes: float
    idle_queries: float = 0.9

    @property
    def whole(self) -> Spent:
        """What a step costs with all of that."""
        return self.step.plus(self.transaction, self.transactions)


def fitted(few: Spent, few_transactions: float, many: Spent, many_transactions: float) -> tuple[Spent, Spent]:
    """Return the two parts of costs that were measured with few and with many transactions a step."""
    further = many_transactions - few_transactions
    if abs(further) < LEAST_FURTHER:
        return few, Spent(0, 0, 0, 0, 0)
    pairs = zip(msgspec.structs.astuple(few), msgspec.structs.astuple(many), strict=True)
    each = Spent(*((its - own) / further for own, its in pairs))
    return few.plus(each, -few_transactions), each


class Place(msgspec.Struct, frozen=True):
    """
    What there is for one database.

    Attributes:
        server_cores: processors of the database server.
        log_bytes_per_s: what its disk takes of write-ahead log, archives and standbys included.
        commits_per_s: durable transactions in a second; those of concurrent sessions share their waits for the disk.
        dead_rows_per_s: what autovacuum clears in a second.
        room_bytes: of its disk.
        connections: that it serves well.
        worker_connections: that a worker process takes.
        is_file: a file has one writer at a time, and no server.
    """

    server_cores: float = 32
    log_bytes_per_s: float = 400 * MIB
    commits_per_s: float = 20_000
    dead_rows_per_s: float = 200_000
    room_bytes: float = 16 * 1024 * GIB
    connections: float = 1_000
    worker_connections: float = 7
    is_file: bool = False


class Need(msgspec.Struct, frozen=True):
    """
    What a load takes of one thing.

    Attributes:
        name, unit: which.
        need, have: how much of it there is to be, and is.
        then: what to do when it runs out.
    """

    name: str
    unit: str
    need: float
    have: float
    then: str

    @property
    def share(self) -> float:
        """How much of it is taken: more than 1 is too much."""
        return self.need / self.have


BUSY: Final = 0.7
"""How far a processor may be taken so that nobody waits long: beyond that, queues grow quickly."""


def needs(costs: Costs, place: Place, *, steps_per_s: float, sleeping: float, kept_days: float = 7) -> list[Need]:
    """
    Return what a load takes, the scarcest first.

    Args:
        costs, place: of what, and from what.
        steps_per_s: steps that are carried out in a second, all runs together.
        sleeping: runs that wait for a timer, a hook or a message.
        kept_days: how long ended runs are kept.
    """
    each = costs.whole
    workers = worker_processes(costs, steps_per_s)
    ended = steps_per_s * 86_400 * kept_days
    stored = sleeping * costs.sleeping_bytes + ended * each.kept_bytes
    found = [
        Need(
            "room", "GiB", stored / GIB, place.room_bytes / GIB, "keep ended runs for less long; archive; divide runs"
        ),
        Need(
            "write-ahead log",
            "MiB/s",
            steps_per_s * each.log_bytes / MIB,
            place.log_bytes_per_s / MIB,
            "a faster disk for pg_wal; longer checkpoints; divide runs",
        ),
        Need(
            "dead rows",
            "1/s",
            steps_per_s * each.dead_rows,
            place.dead_rows_per_s,
            "more autovacuum workers, no delay",
        ),
        Need(
            "commits",
            "1/s",
            steps_per_s * costs.transactions,
            place.commits_per_s,
            "more runs a worker (commits that come together share one); commit_delay; divide runs",
        ),
    ]
    if not place.is_file:
        idle = workers * costs.idle_queries * 50  # µs of a query that finds nothing
        found += [
            Need(
                "processors of the server",
                "cores",
                (steps_per_s * each.server_us + idle) / 1_000_000 / BUSY,
                place.server_cores,
                "a larger server; then divide runs over several databases",
            ),
            Need(
                "connections",
                "1",
                workers * place.worker_connections,
                place.connections,
                "PgBouncer in transaction mode, with prepare=off&listen=off",
            ),
        ]
    return sorted(found, key=lambda need: need.share, reverse=True)


def worker_processes(costs: Costs, steps_per_s: float) -> int:
    """Return how many worker processes carry out so many steps in a second; each takes a core and 100 to 250 MiB."""
    return max(1, math.ceil(steps_per_s * costs.whole.worker_us / 1_000_000 / BUSY))


def rate(costs: Costs, *, processes: int, cores: float) -> float:
    """
    Return how many steps in a second worker processes carry out on one machine that has the server too.

    Args:
        costs: of a step.
        processes: workers; one takes no more than one core for long.
        cores: that they and the server have together.
    """
    each = costs.whole
    return 1_000_000 * min(processes / each.worker_us, cores / (each.worker_us + each.server_us))


def most_steps(costs: Costs, place: Place, *, sleeping: float, kept_days: float = 7) -> tuple[float, Need]:
    """Return how many steps in a second one database takes, and what ends first."""
    none = needs(costs, place, steps_per_s=0, sleeping=sleeping, kept_days=kept_days)[0]
    if none.share >= 1:
        return 0.0, none
    low, high = 0.0, 10_000_000.0
    for _ in range(60):
        middle = (low + high) / 2
        first = needs(costs, place, steps_per_s=middle, sleeping=sleeping, kept_days=kept_days)[0]
        low, high = (low, middle) if first.share > 1 else (middle, high)
    return low, needs(costs, place, steps_per_s=high, sleeping=sleeping, kept_days=kept_days)[0]


MEASURED: Final = {
    "postgres": Costs(Spent(700, 170, 1_730, 2.4, 1_390), Spent(55, 90, 550, 0, 0), 1.2, 16_100),
    "sqlite": Costs(Spent(700, 0, 5_700, 0, 300), Spent(0, 0, 0, 0, 0), 0.5, 6_300),
}
"""Costs that were measured; docs/scale.md says when and how."""

FILE: Final = Place(server_cores=1, commits_per_s=2_000, dead_rows_per_s=1e12, is_file=True)


def main(
    steps: Annotated[float, typer.Option(help="Steps in a second.")] = 10_000,
    sleeping: Annotated[float, typer.Option(help="Runs that sleep.")] = 1e9,
    world: Annotated[str, typer.Option(help="postgres or sqlite.")] = "postgres",
    kept_days: Annotated[float, typer.Option(help="Days that ended runs are kept.")] = 7,
    cores: Annotated[float, typer.Option(help="Of the database server.")] = 32,
    log_mib: Annotated[float, typer.Option(help="MiB of write-ahead log that the disk takes in a second.")] = 400,
    room_tib: Annotated[float, typer.Option(help="TiB of the database's disk.")] = 16,
    commits: Annotated[float, typer.Option(help="Durable commits in a second.")] = 20_000,
) -> None:
    """Say what a load needs of one database, what runs out first, and over how many databases runs are divided."""
    if world not in MEASURED:
        raise typer.BadParameter(f"{world!r} is not one of {', '.join(MEASURED)}", param_hint="--world")
    costs = MEASURED[world]
    place = FILE if world == "sqlite" else Place(cores, log_mib * MIB, commits, room_bytes=room_tib * 1024 * GIB)
    found = needs(costs, place, steps_per_s=steps, sleeping=sleeping, kept_days=kept_days)
    for line in report(costs, found, steps):
        print(line)


def report(costs: Costs, found: list[Need], steps_per_s: float) -> list[str]:
    """Return what is to be said of a load's needs, a line each."""
    lines = [f"{'':<26}{'needs':>12}{'has':>12}  taken"]
    lines += [
        f"{need.name:<26}{need.need:>12,.1f}{need.have:>12,.0f}  {need.share:>5.0%} {need.unit}" for need in found
    ]
    workers = worker_processes(costs, steps_per_s)
    lines.append(f"worker processes: {workers:,}, each a core and up to 250 MiB, on any number of machines")
    first = found[0]
    databases = max(1, -(-first.share // 1))
    if databases > 1:
        lines.append(f"{first.name} runs out first: {first.then}")
        lines.append(f"as it is, runs are to be divided over {databases:.0f} databases")
    else:
        lines.append(f"one database does; {first.name} would run out first: {first.then}")
    return lines


if __name__ == "__main__":
    typer.run(main)
