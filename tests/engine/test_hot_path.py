"""What a sequential step asks of SQLite, counted: the price that every run pays for every step."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.engine.application import app as application
from tests.engine.support import result
from torpor.worlds.sqlite import schema
from torpor.worlds.sqlite.store import Store

STEPS = 60
STATEMENTS_MOST = 7

_VALUE = re.compile(r"[xX]?'(?:[^']|'')*'|\b\d+\b|NULL")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each statement, without values, is carried out on connections that are opened from now on."""
    seen: Counter[str] = Counter()
    connect = schema.connect

    def traced(*args: Any) -> Store:
        store = connect(*args)
        store.db.set_trace_callback(lambda statement: seen.update([_VALUE.sub("?", statement)]))
        return store

    monkeypatch.setattr(schema, "connect", traced)
    return seen


async def test_a_sequential_step(counted: Counter[str], database: str) -> None:
    """One commit of at most seven statements with two rows of the log, and nothing is read."""
    async with application.on(database, runtime="snapshot") as app, app.worker():
        await result(app, "many", 1)
        counted.clear()
        await result(app, "many", STEPS)
        asked = dict(counted)

    # Heartbeats and the like come now and then, and looking for others' commits as often as there is time: neither is a
    # step's. What a step asks comes with each of them.
    asked.pop("PRAGMA data_version", None)
    each = {statement: round(times / STEPS) for statement, times in asked.items() if times >= STEPS - 5}
    assert each["COMMIT"] == 1
    assert sum(each.values()) <= STATEMENTS_MOST
    assert sum(times for statement, times in each.items() if statement.startswith("INSERT INTO events")) <= 2
    assert [statement for statement in each if statement.startswith(("SELECT", "WITH"))] == []
