"""Looking through a whole world for logs and rows that make no sense."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from torpor.errors import DamagedError
from torpor.model import Step, Stream
from torpor.worlds.redis import shared, streams
from torpor.worlds.redis.changes import spot_of_step, spot_of_turn
from torpor.worlds.redis.keys import OF_RUN, SEP, text
from torpor.worlds.redis.rows import pack_list, unpack
from torpor.worlds.redis.store import TASKS, VERSION, RunRow, Store, hooks_of, lines_of, snapshot_of, steps_of, waits_of
from torpor.worlds.server_times import Times

FINDINGS_MAX: Final = 1_000
"""Whoever finds more than this restores a backup."""

_PAGE: Final = 200
_READ: Final = frozenset(("run", "log", "steps", "waits", "hooks", "lines", "snapshot"))
"""Of a run, what is read; of the rest it is seen that it can be."""

_OF_OTHERS: Final = frozenset(("watchers", "children"))
"""What other runs write under a run's name; it may have gone before them, or be in another world."""

_OTHERS: Final = [kind for kind in OF_RUN if kind not in {*_READ, "chunks", "writers"}]


def damaged(store: Store, _times: Times) -> list[DamagedError]:
    """Answer :meth:`torpor.world.Queries.damaged`."""
    found = shared.damaged(store)
    if any(error.row == "key runs" for error in found):
        return found  # nobody can tell the runs
    [ids] = store.connection.ask(("ZRANGE", store.keys.runs, 0, -1))
    named = {error.run_id for error in found}
    for run_id in map(text, ids):
        if run_id in named:
            continue
        found += [error for error in _of_run(store, run_id) if error.run_id]  # the others are named already
        if len(found) >= FINDINGS_MAX:
            return found[:FINDINGS_MAX]
    return (found + _strays(store, {*ids}))[:FINDINGS_MAX]


def _of_run(store: Store, run_id: str) -> list[DamagedError]:
    keys = store.keys
    try:
        run, [tasks], length, steps, waits, hooks, lines, snapshot, *_ = store.connection.ask_of_one_moment(
            store.asked_run(run_id),
            ("HMGET", store.run_key(run_id), TASKS),
            ("LLEN", keys.of("log", run_id)),
            *(("HGETALL", keys.of(kind, run_id)) for kind in ("steps", "waits", "hooks", "lines")),
            ("HMGET", keys.of("snapshot", run_id), b"about", b"data"),
            *(("HLEN", keys.of(kind, run_id)) for kind in _OTHERS),
        )
        row: RunRow | None = store.run_found(run_id, run)
        if row is None:
            return [DamagedError("the run", "its row is not there", run_id=run_id)]
        opened = steps_of(run_id, steps, {}, {})
        waits_of(run_id, waits)
        hooks_of(run_id, hooks)
        lines_of(run_id, lines)
        snapshot_of(run_id, snapshot)
        _look_through_streams(store, run_id)
    except DamagedError as error:
        return [error]
    expected = row.run.head - row.run.base
    if length != expected:
        return [DamagedError("the log", f"it has {length} events instead of {expected}", run_id=run_id)]
    with suppress(DamagedError):  # one of the sets, which is named itself
        return _not_found(store, row, tasks, [*opened.values()])
    return []


def _look_through_streams(store: Store, run_id: str) -> None:
    """
    Read what is known of a run's streams, but for their chunks.

    Raises:
        DamagedError: something of it is damaged, or chunks are missing.
    """
    [rows] = store.connection.ask(("HGETALL", store.keys.of("streams", run_id)))
    for name, row in rows.items():
        stream = unpack(row, Stream, f"stream {name.decode(errors='replace')}", run_id)
        writers, count = store.connection.ask(
            ("HGETALL", store.keys.of("writers", run_id, name)), ("HLEN", store.keys.of("chunks", run_id, name))
        )
        streams.writers_of(run_id, writers)
        if count < stream.count:  # others may have been written since
            problem = f"of its {stream.count} chunks there are {count}"
            raise DamagedError(f"stream {stream.name}", problem, run_id=run_id)


def _not_found(store: Store, row: RunRow, tasks: bytes | None, steps: list[Step]) -> list[DamagedError]:
    """Return what should be found by the sets and is not, unless the run has changed since it was read."""
    keys, run = store.keys, row.run
    wanted = [("its turn is in no queue", spot_of_turn(row.n, run))]
    wanted += [(f"step {step.id} is in no queue", spot_of_step(row.n, run, step)) for step in steps]
    spots = [(problem, spot) for problem, spot in wanted if spot is not None]
    asked = [
        ("ZSCORE", keys.of(kind, pack_list(route), key), what)
        for _, (route, key, what, _) in spots
        for kind in ("ready", "later")
    ]
    routes = [("ZSCORE", keys.routes, pack_list(route)) for _, (route, _, _, _) in spots]
    status = ("ZSCORE", keys.of("status", run.status), run.id.encode())
    as_it_is, listed, *scores = store.connection.ask_of_one_moment(
        ("HMGET", store.run_key(run.id), VERSION, TASKS), status, *asked, *routes
    )
    if as_it_is != [row.version, tasks]:
        return []
    found = [] if listed is not None else [DamagedError("the run", f"it is not listed as {run.status}", run_id=run.id)]
    for n, (problem, _) in enumerate(spots):
        is_there = scores[2 * n] is not None or scores[2 * n + 1] is not None
        if not is_there or scores[len(asked) + n] is None:
            found.append(DamagedError("the run", problem, run_id=run.id))
    return found


def _strays(store: Store, ids: set[bytes]) -> list[DamagedError]:
    """Return what is of a run that is not there."""
    strays = []
    for key, kind, about in shared.all_keys(store):
        run_id = about.partition(SEP)[0]
        if kind in OF_RUN and kind not in _OF_OTHERS and run_id not in ids:
            strays.append((key, kind, run_id))
    asked = [command for key, _, run_id in strays for command in (("ZSCORE", store.keys.runs, run_id), ("EXISTS", key))]
    answers = store.connection.ask(*asked) if asked else []
    return [
        DamagedError(f"key {kind}", f"there is no run {text(run_id)}, whose it is")
        for (_, kind, run_id), is_listed, is_there in zip(strays, answers[::2], answers[1::2], strict=True)
        if is_listed is None and is_there  # else it has begun, or gone, meanwhile
    ]
