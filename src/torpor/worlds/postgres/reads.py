"""What is read of one run."""

from __future__ import annotations

from torpor.model import Event, LogEntry, Run, RunState, Snapshot
from torpor.worlds.postgres.store import Store


def run(store: Store, run_id: str) -> Run:
    """Answer :meth:`torpor.world.Runs.get_run`."""
    return store.run(run_id)


def events(store: Store, run_id: str, after: int, limit: int | None) -> list[Event]:
    """Answer :meth:`torpor.world.Log.events`."""
    return store.events(run_id, after, limit=limit)


def lines(store: Store, run_id: str, after: int | None) -> list[LogEntry]:
    """Answer :meth:`torpor.world.Log.log_entries`."""
    return store.lines(run_id, after)


def snapshot(store: Store, run_id: str) -> Snapshot | None:
    """Answer :meth:`torpor.world.Snapshots.snapshot`."""
    return store.existing_snapshot(run_id)


def state(store: Store, run_id: str) -> RunState:
    """Answer :meth:`torpor.world.Turns.load`."""
    return store.state(run_id)
