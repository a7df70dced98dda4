"""What is read of one run."""

from __future__ import annotations

from msgspec.structs import replace

from torpor.model import Event, LogEntry, Run, RunState, Snapshot
from torpor.worlds.memory.store import Store


def run(store: Store, run_id: str) -> Run:
    """Answer :meth:`torpor.world.Runs.get_run`."""
    return store.existing(run_id).run


def events(store: Store, run_id: str, after: int, limit: int | None) -> list[Event]:
    """Answer :meth:`torpor.world.Log.events`."""
    return store.existing(run_id).events(after)[:limit]


def lines(store: Store, run_id: str, after: int | None) -> list[LogEntry]:
    """Answer :meth:`torpor.world.Log.log_entries`."""
    found = sorted(store.existing(run_id).lines.items())
    return [line for n, line in found if after is None or n > after]


def snapshot(store: Store, run_id: str) -> Snapshot | None:
    """Answer :meth:`torpor.world.Snapshots.snapshot`."""
    return store.existing(run_id).snapshot


def state(store: Store, run_id: str) -> RunState:
    """Answer :meth:`torpor.world.Turns.load`."""
    rows = store.existing(run_id)
    steps = [replace(step, input=None if step.task else rows.input_of(step)) for step in rows.steps.values()]
    newest = rows.snapshot
    return RunState(rows.entities(steps), newest, rows.events(newest.cursor if newest else 0))
