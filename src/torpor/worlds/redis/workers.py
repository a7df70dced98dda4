"""Who works, and what they bring: registration, life, the release of what the dead had claimed, deployments."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.model import Deployment, Heartbeat, Notice, Step, WorkerRow
from torpor.worlds import claims
from torpor.worlds.redis.answers import carry_out, carry_out_once
from torpor.worlds.redis.changes import save_run, save_task
from torpor.worlds.redis.connection import sound
from torpor.worlds.redis.deadlines import expire, first_of, next_deadline
from torpor.worlds.redis.keys import parted, text
from torpor.worlds.redis.rows import pack, unpack, unpack_sound
from torpor.worlds.redis.store import Store
from torpor.worlds.server_times import Times

_TOGETHER: Final = 200
"""How many claims are taken away in one transaction."""

_ASK: Final = ("INFO", "server")
"""Asks for the server's time, and since when it is there."""


def register(store: Store, worker: WorkerRow, times: Times) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Queue.register`."""
    now, _ = ask_time(store, times)
    field = worker.id.encode()
    store.draft.put(store.keys.workers, {field: pack(replace(worker, seen_at=0, silent_ms=0, gone_ms=None))})
    store.draft.put(store.keys.beats, {field: _beat(times, now)})
    store.memory.registered(worker.id)
    return None, None


def heartbeat(store: Store, worker_id: str, times: Times) -> tuple[Heartbeat, Notice | None]:
    """Answer :meth:`torpor.world.Queue.heartbeat`."""
    keys, field = store.keys, worker_id.encode()
    answered, shows = dict(store.memory.answered), times.presence.shows
    about, noted, row, owners, rows, beats, here, *deadlines = store.connection.ask(
        _ASK,
        ("HGETALL", keys.of("notes", store.whose)),
        ("HGET", keys.workers, field),
        ("HKEYS", keys.owners),
        ("HVALS", keys.workers),
        ("HGETALL", keys.beats),
        _who_is_here(store),
        *next_deadline(store),
    )
    now, _ = _told(about, times)
    store.memory.compare(answered, noted)

    def beat(store: Store) -> tuple[None, None]:
        store.draft.expect(keys.workers, field, row)
        store.draft.put(keys.beats, {field: _beat(times, now)})
        return None, None

    given_up = give_up(store, times)
    known = row is not None and not given_up and carry_out_once(store, beat)
    store.begin()
    looked = _workers_of(store, rows, beats, about, here, times, shows)
    others = [worker for worker in looked if worker.id != worker_id]
    rowed = {*(worker.id for worker in others), *([worker_id] if known else [])}
    strangers = [name for name in map(text, owners) if name not in rowed]
    taken = sum(_take_claims(store, owner, now, only_strangers=True) for owner in strangers)
    first = first_of(*deadlines)
    ended = expire(store, now) if first is not None and first <= now else None
    taken += given_up
    answer = Heartbeat(known, tuple(others), taken)
    return answer, Notice(None, work=True, ended=ended is not None) if taken or ended else None


def release(store: Store, worker_ids: Sequence[str], times: Times, *, expired_only: bool) -> tuple[int, Notice | None]:
    """Answer :meth:`torpor.world.Queue.release`."""
    released = 0
    for worker_id in sorted(worker_ids):
        field = worker_id.encode()
        if expired_only:
            seen = store.connection.ask(("HGET", store.keys.beats, field))[0]
            if any(worker.id == worker_id and not worker.expired for worker in all_of(store, times)):
                continue
            if not _forget(store, field, seen):
                continue  # it has just shown that it lives
        else:
            _forget(store, field, None)
        released += _take_claims(store, worker_id, times.clock.now())
    return released, Notice(None, work=True) if released else None


def give_up(store: Store, times: Times) -> int:
    """
    Let others have what workers of this process have claimed, when the server has forgotten some of what they did.

    They register anew. Return how much it was.
    """
    taken = 0
    for worker_id in store.memory.lost():
        with store.memory.giving_up(worker_id):
            _forget(store, worker_id.encode(), None)
            taken += _take_claims(store, worker_id, times.clock.now())
    return taken


def _forget(store: Store, field: bytes, seen: bytes | None) -> bool:
    """Take the row of a worker away, from when on it claims nothing; with its last beat, only if that is its last."""

    def forget(store: Store) -> tuple[None, None]:
        if seen is not None:
            store.draft.expect(store.keys.beats, field, seen)
        store.draft.drop(store.keys.workers, [field])
        store.draft.drop(store.keys.beats, [field])
        return None, None

    is_done = carry_out_once(store, forget)
    store.begin()
    return is_done


def all_of(store: Store, times: Times) -> list[WorkerRow]:
    """Answer :meth:`torpor.world.Queries.workers`."""
    shows = times.presence.shows
    about, rows, beats, here = store.connection.ask(
        _ASK, ("HVALS", store.keys.workers), ("HGETALL", store.keys.beats), _who_is_here(store)
    )
    return _workers_of(store, rows, beats, about, here, times, shows)


def _who_is_here(store: Store) -> tuple[Any, ...]:
    """Return what asks who listens to a channel of his own; see :mod:`torpor.worlds.redis.listening`."""
    return ("PUBSUB", "CHANNELS", store.keys.here + b"*")


def _workers_of(
    store: Store,
    rows: list[bytes],
    beats: dict[bytes, bytes],
    about: dict[str, Any],
    here: list[bytes],
    times: Times,
    shows: int,
) -> list[WorkerRow]:
    now, started_at = _told(about, times)
    present, looked = {*here}, []
    for worker in unpack_sound(rows, WorkerRow):
        seen_at, beat, *server = beat_of(beats.get(worker.id.encode(), b""))
        silent_ms = times.silence(now, int(beat), started_at)
        is_there = store.keys.here + worker.presence.encode() in present
        was_shown = bool(worker.presence) and server == [str(about["run_id"]).encode()]
        row = replace(worker, seen_at=int(seen_at), silent_ms=silent_ms)
        looked.append((row, is_there if was_shown else None))
    return sorted(times.presence.judge(looked, times.clock, shows), key=lambda worker: worker.id)


def put_deployment(store: Store, deployment: Deployment, times: Times) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Deployments.put_deployment`."""
    keys, draft, field = store.keys, store.draft, deployment.id.encode()
    now, _ = ask_time(store, times)
    stored = draft.get(keys.deployments, field)
    before = unpack_sound([] if stored is None else [stored], Deployment)
    created_at = before[0].created_at if before else now
    [place] = store.connection.ask(("INCR", keys.created))
    draft.put(keys.deployments, {field: pack(replace(deployment, created_at=created_at))})
    draft.add(keys.deployed, place, field)
    rows = store.connection.ask(("HVALS", keys.workers))[0]
    newest_first = [deployment.id]
    newest_first += [each.id for each in deployments(store, deployment.app) if each.id != deployment.id]
    for old in claims.outdated(newest_first, {worker.deployment for worker in unpack_sound(rows, WorkerRow)}):
        draft.drop(keys.deployments, [old.encode()])
        draft.remove(keys.deployed, old.encode())
    return None, None


def deployments(store: Store, app: str | None) -> list[Deployment]:
    """Answer :meth:`torpor.world.Deployments.deployments`."""
    order, rows = store.connection.ask_of_one_moment(
        ("ZREVRANGE", store.keys.deployed, 0, -1), ("HGETALL", store.keys.deployments)
    )
    found = unpack_sound((rows[field] for field in order if field in rows), Deployment)
    return [deployment for deployment in found if app is None or deployment.app == app]


def ask_time(store: Store, times: Times) -> tuple[int, int]:
    """Return the world's time, and since when the server is there to hear of anybody."""
    [about] = store.connection.ask(_ASK)
    return _told(about, times)


def _told(about: dict[str, Any], times: Times) -> tuple[int, int]:
    now = int(about["server_time_usec"]) // 1000
    return times.told(now, now - int(about["uptime_in_seconds"]) * 1000)


def beat_of(stored: bytes) -> list[bytes]:
    """Return the parts of a sign of life, of one at the beginning of time when it is none."""
    parts = stored.split()
    return parts if len(parts) > 1 and all(part.lstrip(b"-").isdigit() for part in parts[:2]) else [b"0", b"0"]


def _beat(times: Times, now: int) -> bytes:
    return b"%d %d %s" % (now, times.beat(now), times.presence.shown_to.encode())


def _take_claims(store: Store, worker_id: str, now: int, *, only_strangers: bool = False) -> int:
    """Make everything that a worker has claimed ready for anybody; return how much it was."""
    taken = 0
    while True:

        def take(store: Store) -> tuple[tuple[int, bool], None]:
            return _take_some(store, worker_id, now, only_strangers=only_strangers), None

        (some, is_all), _ = carry_out(store, take)
        store.begin()
        taken += some
        if is_all:
            return taken


def _take_some(store: Store, worker_id: str, now: int, *, only_strangers: bool) -> tuple[int, bool]:
    """Draft the release of some claims; return of how many, and whether there were no others."""
    keys, owner = store.keys, worker_id.encode()
    row, [_, found] = store.connection.ask(
        ("HGET", keys.workers, owner), ("HSCAN", keys.of("claims", worker_id), 0, "COUNT", _TOGETHER)
    )
    if only_strangers:
        if row is not None:
            return 0, True  # it has registered meanwhile
        store.draft.expect(keys.workers, owner, None)
    places = [(parted(place), place) for place in [*found][:_TOGETHER]]
    asked: list[tuple[Any, ...]] = []
    for (run_id, step_id), _ in places:
        asked += [store.asked_run(run_id), ("HGET", keys.of("steps", run_id), step_id.encode())]
    answers = store.connection.ask_each(*asked, together=True) if asked else []
    taken, released = 0, []
    for n, ((run_id, step_id), place) in enumerate(places):
        with suppress(DamagedError):  # it is tried again with the next sign of life: so it goes on once it is mended
            taken += _take_one(store, worker_id, run_id, step_id, answers[2 * n : 2 * n + 2], now)
            released.append(place)
    store.draft.drop(keys.of("claims", worker_id), released)
    if not places:
        store.draft.drop(keys.owners, [owner])
    return taken, not released


def _take_one(store: Store, worker_id: str, run_id: str, step_id: str, found: list[Any], now: int) -> int:
    """
    Draft the release of one claim; return how many it was.

    Raises:
        DamagedError: it cannot be read.
    """
    run_found, step_found = sound(found)
    row = store.seen(run_id, run_found)
    if row is None:
        return 0
    if not step_id:
        if row.run.worker != worker_id:
            return 0
        run = claims.release(row.run, now)
        save_run(store, row, row.run, run)
        store.runs[run_id] = store.with_run(row, run)
        return 1
    if step_found is None:
        return 0
    step = unpack(step_found, Step, f"step {step_id}", run_id)
    store.draft.expect(store.keys.of("steps", run_id), step_id.encode(), step_found)
    if step.worker != worker_id:
        return 0
    save_task(store, row, step, claims.release_step(row.run, step, now))
    return 1
