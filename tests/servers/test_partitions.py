"""Partitions on a real server: which of them statements look at, and old months of the archive that are detached."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from tests.servers.databases import Server, folder, run, system_programs
from tests.servers.load import STEPS, Load
from torpor import Capsules
from torpor.capsules.transfer import opened
from torpor.codec.crypto.keys import Keyring
from torpor.errors import ConfigurationError
from torpor.model import Run
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.deletion import lived
from torpor.testing.worlds.story import RUN
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.schema import migrate
from torpor.worlds.postgres.url import parse

_EXPLAINED: Final = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "log_min_messages": "log",
    "logging_collector": "on",
    "log_destination": "jsonlog",
}
"""Each statement's plan is in the log, with what was carried out of it."""

_PARTITION: Final = re.compile(r"(\w+)_(\d+)")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "scale.md"
_RUNS: Final = 12
_MONTHS: Final = (
    "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'torpor_archive.runs'::regclass ORDER BY 1"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Yield a folder for the server, and what it writes."""
    with folder() as home:
        yield home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """Yield a server that explains what it does."""
    server = Server(home)
    server.make()
    server.start(**_EXPLAINED, log_directory=str(home / "log"))
    yield server
    server.stop(signal.SIGQUIT)


def blocks() -> list[str]:
    """Return the page's blocks of SQL."""
    return re.findall(r"```postgresql\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)


def looked_at(home: Path) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Yield each statement that the server has carried out, with the partitions that were looked at, by table."""

    def walk(node: dict[str, Any], found: dict[str, set[str]]) -> None:
        if node.get("Actual Loops") and (named := _PARTITION.fullmatch(node.get("Relation Name", ""))):
            found[named[1]].add(named[2])
        for child in node.get("Plans", ()):
            walk(child, found)

    for log in (home / "log").glob("*.json"):
        for line in log.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            _, _, told = entry["message"].partition("plan:\n")
            if told and entry.get("application_name") == "torpor":
                plan, found = json.loads(told), defaultdict[str, set[str]](set)
                walk(plan["Plan"], found)
                yield plan["Query Text"], found


async def test_statements_look_at_the_partitions_of_their_runs(server: Server, home: Path) -> None:
    """
    The page's script divides an empty world, two workers carry runs out there, and of all that they ask, only what
    is open in steps is looked for in all partitions: who holds what, and what is to be given up.
    """
    connection = Connection(parse(server.url))
    migrate(connection, server.url)
    connection.db.execute(blocks()[0].encode())
    connection.drop()

    async def nothing(_: Load) -> None:
        """Let nothing happen."""

    await Load(server.url, _RUNS).carry_out(nothing)
    partitions = server.execute("SELECT tableoid::regclass::text, count(*) FROM torpor.events GROUP BY 1")
    assert len(partitions) > 3
    assert sum(int(str(count)) for _, count in partitions) > _RUNS * STEPS

    alone: dict[str, int] = defaultdict(int)
    all_over: dict[str, str] = {}
    for statement, found in looked_at(home):
        if "there is no such run" in statement or "GROUP BY r.id" in statement:
            continue  # what is wrong is looked for at the end of the load, as torpor doctor does
        for table, where in found.items():
            if len(where) == 1:
                alone[table] += 1
            elif "ANY($" not in statement:  # of several runs
                all_over[table] = statement
    assert {**all_over, "steps": ""} == {"steps": ""}
    assert {table for table, count in alone.items() if count >= _RUNS} >= {"events", "snapshots", "steps", "waits"}


async def ended(run_id: str, moment: datetime) -> tuple[MemoryWorld, Run]:
    """Return a world with a run that has ended, and the run as if it had done so at that moment."""
    world = MemoryWorld(clock=ManualClock(1))
    await lived(world, run_id=run_id)
    return world, replace(await world.get_run(run_id), ended_at=int(moment.timestamp() * 1000))


def day(month: int, number: int = 1) -> datetime:
    """Return the first moment of a day in 2026."""
    return datetime(2026, month, number, tzinfo=UTC)


async def test_old_months_of_the_archive_are_detached(server: Server, home: Path) -> None:
    """
    Several workers archive into several months; the oldest month is detached while all else is there, dumped, and
    dropped; a straggler of it gets a partition of its own; and the dump gives its runs back, elsewhere.
    """
    for name in ("cold", "restored"):
        server.execute(f"CREATE DATABASE {name}")
    cold, restored = (server.url.replace("/postgres?", f"/{name}?") for name in ("cold", "restored"))
    runs = [await ended(f"order-{n}", day(9 + n % 3, 1 + n)) for n in range(9)]
    first, last = await ended("first", day(9)), await ended("last", day(12))

    def keep(world: MemoryWorld, run: Run) -> list[Run]:
        return asyncio.run(Capsules(cold).keep(world, [run]))

    with ThreadPoolExecutor(5) as workers:  # the first of them make the table, and the months
        kept = [*workers.map(lambda pair: keep(*pair), [*runs, first, last, first])]
    assert all(len(each) == 1 for each in kept)
    assert months(cold) == ["runs_2026_09", "runs_2026_10", "runs_2026_11", "runs_2026_12"]
    counted = "SELECT tableoid::regclass::text, count(*) FROM torpor_archive.runs GROUP BY 1 ORDER BY 1"
    assert dict(ask(cold, counted)) == {
        "torpor_archive.runs_2026_09": 4,  # with who came first, twice
        "torpor_archive.runs_2026_10": 3,
        "torpor_archive.runs_2026_11": 3,
        "torpor_archive.runs_2026_12": 1,
    }
    one_month = "EXPLAIN SELECT * FROM torpor_archive.runs WHERE ended_at >= '2026-10-01Z' AND ended_at < '2026-10-08Z'"
    plan = "\n".join(str(line) for (line,) in ask(cold, one_month))
    assert set(re.findall(r"runs_2026_\d\d", plan)) == {"runs_2026_10"}

    detach, drop = (line for line in blocks()[1].splitlines() if line)
    ask(cold, detach)
    host, port = server.place
    dump = home / "2026-09.dump"
    reach = ("-h", host, "-p", str(port), "-U", "postgres")
    run(system_programs() / "pg_dump", *reach, "-Fc", "-t", "torpor_archive.runs_2026_09", "-f", dump, "cold")
    assert await Capsules(cold).find("first") is None
    world, straggler = await ended("straggler", day(9, 30))
    await Capsules(cold).keep(world, [straggler])
    assert "runs_2026_09_2" in months(cold)
    ask(cold, drop)
    assert await Capsules(cold).find("straggler") is not None

    ask(restored, "CREATE SCHEMA torpor_archive")
    run(system_programs() / "pg_restore", *reach, "-d", "restored", dump)
    ask(restored, "ALTER TABLE torpor_archive.runs_2026_09 RENAME TO runs")
    capsule = await Capsules(restored).find("first")
    assert capsule is not None
    assert (await opened(capsule, Keyring())).parcel.run.id == "first"


async def test_an_archive_that_cannot_be_reached_says_why(server: Server) -> None:
    """By the error of worlds there, without a password."""
    nobody = Capsules(server.url.replace("postgres@", "nobody:secret@"))
    with pytest.raises(ConfigurationError, match='role "nobody" does not exist') as told:
        await nobody.find(RUN)
    assert "secret" not in str(told.value)


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Carry a statement out in a database."""
    connection = Connection(parse(url))
    try:
        cursor = connection.db.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
    finally:
        connection.drop()


def months(url: str) -> list[str]:
    """Return the months that are in the archive."""
    return [str(name) for (name,) in ask(url, _MONTHS)]
