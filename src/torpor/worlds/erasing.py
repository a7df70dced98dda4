"""What is asked of a store to delete a run."""

from __future__ import annotations

from torpor.attributes import MOVED
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities
from torpor.worlds import refusals
from torpor.worlds.requests import Erase, Operation, Part


def delete(run_id: str, keep_name: bool, rows_max: int, url: str) -> Operation[bool]:
    """Answer :meth:`torpor.world.Runs.delete_run`."""
    found: Entities | None = yield Part(run_id)
    if found is None:
        raise refusals.run_not_found(run_id, url)
    if found.run.status not in RUN_TERMINAL and MOVED not in found.run.attributes:
        raise refusals.not_ended(run_id, found.run.status)
    done: bool = yield Erase(found.run, keep_name, rows_max)
    return done, None
