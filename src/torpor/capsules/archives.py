"""
Archives of runs that have ended: each is kept as a capsule before it goes from its world.

A run is kept once. Who comes again, because he was interrupted behind it, finds it there and writes nothing: of a run
that has begun to go there is less than before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from torpor.capsules import transfer
from torpor.capsules.places import Folder, Kept, Place
from torpor.codec.crypto.keys import Keyring
from torpor.errors import BuildMissingError, ConfigurationError, DamagedError, LimitExceededError, NotFoundError
from torpor.model import Run
from torpor.thread_start import in_thread
from torpor.world import World

_log = logging.getLogger(__name__)
_POSTGRES: Final = ("postgres://", "postgresql://", "postgres+embedded://")
_WHAT: Final = "keeping capsules"


class Capsules:
    """
    An archive that keeps whole runs: log, log lines, streams, attributes, program.

    ``Retention("30d", archive=Capsules("kept"))`` writes ``kept/2026-09/order-17.1788253200000.capsule``: a folder for
    each month in which runs ended, and the moment of the end, by which runs that had the same id one after the other
    are told apart. ``Capsules("postgres://archive@db.internal/archive")`` keeps them in the table
    ``torpor_archive.runs`` of a database, which has a partition for each month.

    What ``torpor export RUN --from PLACE`` takes out is a capsule as any other: to be looked at, and to be imported.

    Args:
        place: a folder, which is made when it is first needed, or the URL of a Postgres database.

    Raises:
        ConfigurationError: the URL makes no sense, or Postgres's driver is not installed.
    """

    def __init__(self, place: str | Path) -> None:
        self._place = _place_of(str(place))

    async def keep(self, world: World, runs: Sequence[Run]) -> list[Run]:
        """
        Keep runs that have ended, and return those that are kept now.

        Others are gone meanwhile, or damaged, or too large for a capsule, which is logged.

        Raises:
            OSError, ConfigurationError, WorldError: the archive cannot be written.
        """
        about = {run.id: _about(run) for run in runs}
        absent = await in_thread(_WHAT, self._place.absent, [*about.values()])
        missing = {kept.run for kept in absent}
        found = {run.id: await _capsule(world, run) for run in runs if run.id in missing}
        made = [replace(about[run_id], capsule=capsule) for run_id, capsule in found.items() if capsule]
        if made:
            await in_thread(_WHAT, self._place.put, made)
        missing -= {kept.run for kept in made}
        return [run for run in runs if run.id not in missing]

    async def find(self, run_id: str) -> bytes | None:
        """
        Return the bytes of a run's capsule, None when it is not there.

        Raises:
            OSError, ConfigurationError, WorldError: the archive cannot be read.
        """
        return await in_thread(_WHAT, self._place.find, run_id)


async def _capsule(world: World, run: Run) -> bytes:
    try:
        return await transfer.take_out(world, run.id, Keyring())
    except (NotFoundError, DamagedError, BuildMissingError):
        return b""
    except LimitExceededError as error:
        _log.warning("run %s stays, since it is not archived: %s", run.id, error)
        return b""


def _about(run: Run) -> Kept:
    return Kept(run.id, run.app, run.workflow, run.status, run.ended_at)


def _place_of(place: str) -> Place:
    if place.startswith(_POSTGRES):
        try:
            from torpor.capsules.months import Months  # noqa: PLC0415  # it needs the driver
        except ImportError as error:
            raise ConfigurationError(
                "an archive in Postgres needs its driver; pip install 'torpor[postgres]'"
            ) from error
        return Months(place)
    if "://" in place:
        raise ConfigurationError(f"{place.partition('://')[0]}:// is no archive; name a folder, or postgres://…")
    return Folder(Path(place))
