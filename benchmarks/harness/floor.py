"""
What this machine allows, however well an engine is made; measured in it, figures of different machines can be compared.

* a durable commit: 8 KB into a table of SQLite, write-ahead log, fully synchronous, as Torpor's own commits are;
* an empty call of a guest;
* the page faults of a restore: the pages that a parked run changes are written in a private mapping of a file.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import tempfile
import time
from pathlib import Path

import msgspec
import wasmtime

from benchmarks.harness.database import folder
from torpor.vm.bindings import Call
from torpor.vm.engine import shared_engine

COMMIT_BYTES = 8 * 1024
PAGES = 30
"""About as many as a parked JavaScript run changes."""

_COMMITS = 40
_CALLS = 2_000
_FAULTS = 200
_WARM_UP = 5

_EMPTY = '(module (func (export "nothing")))'


class Floor(msgspec.Struct, frozen=True):
    """Samples of each: milliseconds of a durable commit, microseconds of an empty call and of a restore's faults."""

    durable_commit: list[float]
    guest_call: list[float]
    faults: list[float]


def measured() -> Floor:
    """Measure all three, which takes about a tenth of a second."""
    return Floor(durable_commits(), _guest_calls(), _faults())


def durable_commits() -> list[float]:
    """Return samples of a durable commit of SQLite, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-", dir=folder()) as made:
        database = sqlite3.connect(Path(made) / "floor.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE floor (data BLOB)")
        data = os.urandom(COMMIT_BYTES)
        costs = []
        for _ in range(_WARM_UP + _COMMITS):
            begun = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO floor VALUES (?)", (data,))
            database.execute("COMMIT")
            costs.append((time.perf_counter() - begun) * 1e3)
        database.close()
    return costs[_WARM_UP:]


def _guest_calls() -> list[float]:
    engine = shared_engine()
    store = wasmtime.Store(engine.wasmtime)
    store.set_epoch_deadline(1 << 30)
    instance = wasmtime.Instance(store, engine.text_module("floor", _EMPTY), [])
    nothing = instance.exports(store)["nothing"]
    assert isinstance(nothing, wasmtime.Func)
    call = Call(store, nothing, hold_gil=True)
    costs = []
    for _ in range(_WARM_UP + _CALLS):
        begun = time.perf_counter()
        call()
        costs.append((time.perf_counter() - begun) * 1e6)
    return costs[_WARM_UP:]


def _faults() -> list[float]:
    size = PAGES * mmap.PAGESIZE
    costs = []
    with tempfile.TemporaryFile(dir=folder()) as file:
        file.write(os.urandom(size))
        file.flush()
        for _ in range(_WARM_UP + _FAULTS):
            with mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE) as memory:
                begun = time.perf_counter()
                for at in range(0, size, mmap.PAGESIZE):
                    memory[at] = 1
                costs.append((time.perf_counter() - begun) * 1e6)
    return costs[_WARM_UP:]
