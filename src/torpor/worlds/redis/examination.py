"""Looking through a whole world for logs and rows that make no sense."""

from __future__ import annotations

from typing import Final

from torpor.errors import DamagedError
from torpor.worlds.redis.keys import SEP
from torpor.worlds.redis.store import RunRow, Store, hooks_of, steps_of, waits_of
from torpor.worlds.server_times import Times

FINDINGS_MAX: Final = 1_000
"""Whoever finds more than this restores a backup."""

_PAGE: Final = 200
_OF_RUN: Final = (b"steps", b"waits", b"hooks", b"log", b"snapshot", b"streams", b"lines", b"messages", b"usage")


def damaged(store: Store, _times: Times) -> list[DamagedError]:
    """Answer :meth:`torpor.world.Queries.damaged`."""
    found: list[DamagedError] = []
    [ids] = store.connection.ask(("ZRANGE", store.keys.runs, 0, -1))
    for run_id in ids:
        found += _of_run(store, run_id.decode())
        if len(found) >= FINDINGS_MAX:
            return found[:FINDINGS_MAX]
    return (found + _strays(store, {*ids}))[:FINDINGS_MAX]


def _of_run(store: Store, run_id: str) -> list[DamagedError]:
    keys = store.keys
    run, length, steps, waits, hooks = store.connection.ask_of_one_moment(
        store.asked_run(run_id),
        ("LLEN", keys.of("log", run_id)),
        *(("HGETALL", keys.of(kind, run_id)) for kind in ("steps", "waits", "hooks")),
    )
    try:
        row: RunRow | None = store.run_found(run_id, run)
        if row is None:
            return [DamagedError("the run", "its row is not there", run_id=run_id)]
        steps_of(run_id, steps, {}, {})
        waits_of(run_id, waits)
        hooks_of(run_id, hooks)
    except DamagedError as error:
        return [error]
    expected = row.run.head - row.run.base
    if length != expected:
        return [DamagedError("the log", f"it has {length} events instead of {expected}", run_id=run_id)]
    return []


def _strays(store: Store, ids: set[bytes]) -> list[DamagedError]:
    """Return what is of a run that is not there."""
    prefix = store.keys.prefix
    found: list[DamagedError] = []
    cursor = 0
    while True:
        cursor, some = store.connection.ask(("SCAN", cursor, "MATCH", prefix + b"*", "COUNT", _PAGE))[0]
        for key in some:
            kind, _, about = key.removeprefix(prefix).partition(b":")
            run_id = about.partition(SEP)[0]
            if kind in _OF_RUN and run_id not in ids:
                name = run_id.decode(errors="replace")
                found.append(DamagedError(f"key {kind.decode()}", f"there is no run {name}, whose it is"))
        if not int(cursor):
            return found
