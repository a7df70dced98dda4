"""What is read of one run."""

from __future__ import annotations

from torpor.model import Event, LogEntry, Run, RunState, Snapshot
from torpor.worlds import refusals
from torpor.worlds.redis.store import Store, events_of


def run(store: Store, run_id: str) -> Run:
    """Answer :meth:`torpor.world.Runs.get_run`."""
    return store.run(run_id)


def events(store: Store, run_id: str, after: int, limit: int | None) -> list[Event]:
    """Answer :meth:`torpor.world.Log.events`."""
    while True:
        base = store.run(run_id).base
        at = max(0, after - base)
        end = -1 if limit is None else at + limit - 1
        again, rows = store.connection.ask_of_one_moment(
            store.asked_run(run_id), ("LRANGE", store.keys.of("log", run_id), at, end)
        )
        row = store.run_found(run_id, again)
        if row is None:
            raise refusals.run_not_found(run_id, store.url)
        if row.run.base == base:
            return [] if limit == 0 else events_of(run_id, rows)


def lines(store: Store, run_id: str, after: int | None) -> list[LogEntry]:
    """Answer :meth:`torpor.world.Log.log_entries`."""
    return store.lines(run_id, after)


def snapshot(store: Store, run_id: str) -> Snapshot | None:
    """Answer :meth:`torpor.world.Snapshots.snapshot`."""
    store.run(run_id)
    return store.snapshot(run_id)


def state(store: Store, run_id: str) -> RunState:
    """Answer :meth:`torpor.world.Turns.load`."""
    return store.state(run_id)
