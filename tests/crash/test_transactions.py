"""SIGKILL of a worker whose step is in a transaction, before, at and behind its commit: work and result, or neither."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from tests.crash.transacting import POINTS
from tests.postgres_server import empty, execute, server_url
from torpor.worlds import open_world

ROOT = Path(__file__).parents[2]
MAKE = "CREATE TABLE IF NOT EXISTS charges (name TEXT, attempt INTEGER)"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_work_and_result_are_stored_together(kind: str, tmp_path: Path) -> None:
    """
    Three workers die, one at each point, and a fourth one finishes: the row is there once, by the attempt whose
    commit was through, and that attempt's result is the step's though its worker never heard of it.
    """
    file = tmp_path / "shop.db"
    url = f"sqlite:///{file}" if kind == "sqlite" else server_url()
    if kind == "postgres":
        empty(url)
    world = open_world(url)
    await world.open()
    await world.close()

    def ask(statement: str) -> list[tuple[object, ...]]:
        if kind == "postgres":
            return execute(url, statement)
        with sqlite3.connect(file) as db:
            found = db.execute(statement).fetchall()
        db.close()
        return found

    ask(MAKE)
    ask("DELETE FROM charges")
    for point, stored in zip(POINTS, ([], [], [(3,)]), strict=True):
        died, _ = await _work(url, point)
        assert died == -signal.SIGKILL
        assert ask("SELECT attempt FROM charges") == stored, point
    assert await _work(url, "") == (0, "3\n")
    assert ask("SELECT attempt FROM charges") == [(3,)]


async def _work(url: str, point: str) -> tuple[int | None, str]:
    """Let a worker work until it ends; return how it did, and what it said."""
    command = [sys.executable, "-m", "tests.crash.transacting", url, point]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return process.returncode, said.decode()
