"""Dropping the beginning of a run's log, once its newest snapshot has shown that it makes up for it."""

from __future__ import annotations

from torpor.client import Client
from torpor.engine.builds import store_installed
from torpor.errors import TorporError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Run
from torpor.parked import parked
from torpor.programs.catalogue import guests


async def archive(client: Client, run_id: str) -> tuple[Run, int]:
    """
    Drop a run's log up to the newest snapshot's cursor, and return the run and the number of events that went.

    The snapshot is restored in a copy of the VM before, and the log behind it is replayed there; the guest build that
    it needs is put into the world, if it is the one that is installed here. An ended run keeps how it ended.

    Raises:
        RunNotFoundError: no such run.
        KeyMissingError: the run's key is not here, so that its snapshot cannot be tried.
        SnapshotError, BuildMissingError: the snapshot cannot be restored; the log stays.
        EntityConflictError: the run needs its log: it is replayed, has no snapshot, or its guest build is not known.
    """
    world = client.world
    run = await world.get_run(run_id)
    through = run.head
    snapshot = await world.snapshot(run_id)
    if run.status not in RUN_TERMINAL and snapshot is not None:
        through = snapshot.cursor
        await _try(client, run)
    archived = await world.archive(run_id, through)
    return archived, archived.base - run.base


async def can_be_restored(client: Client, run: Run) -> bool:
    """Return whether a run's newest snapshot makes up for the log before it; its guest build is stored then."""
    try:
        await _try(client, run)
    except TorporError:
        return False
    return True


async def _try(client: Client, run: Run) -> None:
    async with parked(client.world, guests(), run.id, client.world.clock, client.keyring, from_log=False):
        pass  # it could be restored
    await store_installed(client.world, guests(), run)
