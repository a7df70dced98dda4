"""A worker that has nothing to do: what it asks its world, the time it takes, and how soon it is awake."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final
from unittest import mock

import msgspec
from msgspec.structs import replace

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished
from torpor.clock import SystemClock

SECONDS = 30.0
SECONDS_QUICK = 10.0
WOKEN = 40
WOKEN_QUICK = 10

_SETTLING_SECONDS = 2.0
_PAUSE_SECONDS = 0.1


class Idle(msgspec.Struct, frozen=True):
    """Queries in a second, and processor time in percent of a core."""

    queries_per_s: float
    cpu: float


def run(setting: Setting) -> list[Row]:
    """
    Return ``queries_per_s`` (of SQLite and Redis), ``cpu``, and ``heard_after`` and ``done_after`` of runs elsewhere.
    """
    rows = Rows("idle_worker", setting)
    with fresh(setting) as place:
        idle = child.call(measure_idle, place)
    if setting.scheme in _COUNTED:
        rows.add("queries_per_s", "1/s", [idle.queries_per_s])
    rows.add("cpu", "%", [idle.cpu])
    with fresh(replace(setting, processes=2)) as place:
        heard, done = zip(*child.call(measure_waking, place), strict=True)
    rows.add("heard_after", "ms", heard)
    rows.add("done_after", "ms", done)
    return rows.all


def measure_idle(setting: Setting) -> Idle:
    """Do nothing for a while, in this process."""
    counting = _COUNTED.get(setting.scheme, nullcontext)
    with counting(Queries()) as queries:
        return asyncio.run(_idle(setting, queries))


def measure_waking(setting: Setting) -> list[tuple[float, float]]:
    """
    Return, for each run that idle workers in other processes carried out, milliseconds from its end until it was heard
    of here, and from its start until then.
    """
    return asyncio.run(_waking(setting))


async def _idle(setting: Setting, queries: Queries | None) -> Idle:
    seconds = SECONDS_QUICK if setting.quick else SECONDS
    async with working(setting) as app:
        await finished(app.start("sequential", 1), 1)
        await asyncio.sleep(_SETTLING_SECONDS)
        say(f"idle_worker: nothing for {seconds:g} s")
        before = queries.count if queries is not None else 0
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        counted = queries.count - before if queries is not None else 0
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Idle(counted / wall, 100 * cpu / wall)


async def _waking(setting: Setting) -> list[tuple[float, float]]:
    found = []
    clock = SystemClock()
    async with working(setting) as app:
        for number in range(-2, WOKEN_QUICK if setting.quick else WOKEN):
            await asyncio.sleep(_PAUSE_SECONDS)
            begun = time.perf_counter()
            run = await app.start("sequential", 1)
            await run.result()
            done, now = 1000 * (time.perf_counter() - begun), clock.now()
            ended = (await run.events())[-1].at
            if number >= 0:
                found.append((float(now - ended), done))
    return found


class Queries:
    """
    How many there were: a transaction is one, and so is a statement outside of transactions.

    Attributes:
        count: how many up to now.
    """

    def __init__(self) -> None:
        self.count = 0
        self._in_transaction = threading.local()  # a connection is one thread's

    def see(self, statement: str) -> None:
        """Take note of a statement."""
        is_inside = getattr(self._in_transaction, "is_on", False)
        if statement.startswith("BEGIN"):
            self._in_transaction.is_on = True
        elif statement in ("COMMIT", "ROLLBACK"):
            self._in_transaction.is_on = False
            return
        self.count += not is_inside


@contextmanager
def _of_sqlite(queries: Queries) -> Iterator[Queries]:
    """Count the queries of all connections that are opened inside the block."""
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(queries.see)
        return connection

    with mock.patch.object(sqlite3, "connect", traced):
        yield queries


@contextmanager
def _of_redis(queries: Queries) -> Iterator[Queries]:
    """Count what connections send inside the block: commands that are sent together are one query."""
    from redis.connection import AbstractConnection  # noqa: PLC0415  # needs the extra that brings a driver

    send = AbstractConnection.send_packed_command

    def sending(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        queries.count += 1
        send(self, *args, **kwargs)  # type: ignore[no-untyped-call]  # the driver's

    with mock.patch.object(AbstractConnection, "send_packed_command", sending):
        yield queries


_COUNTED: Final[dict[str, Callable[[Queries], AbstractContextManager[Queries]]]] = {
    "sqlite": _of_sqlite,
    "redis": _of_redis,
}
