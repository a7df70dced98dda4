"""Where a soak takes place: its files, and what workers and driver must agree on."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec

from tests.crash.soak.clock import SharedClock
from tests.crash.soak.versions import OLDER
from torpor import WorkerSettings
from torpor.world import World
from torpor.worlds import open_world
from torpor.worlds.http import HttpWorld


class Place(msgspec.Struct, frozen=True):
    """
    A soak's folder, and the lease of its workers.

    Attributes:
        folder: for all files.
        lease_ms: of every worker.
        database: URL of the world where it is a database server's, ``""`` for a file.
        server: URL by which workers have the world, ``""`` when they have it themselves.
        token: what lets them in there.
    """

    folder: str
    lease_ms: int
    database: str = ""
    server: str = ""
    token: str = ""

    def world(self) -> World:
        """Return the world as a worker has it; a server tells the time as well."""
        if self.server:
            return cast(World, HttpWorld(self.server, token=self.token))
        return self.world_itself()

    def world_itself(self) -> World:
        """Return the world as a process has it for which no server stands in between."""
        return open_world(self.url, None if self.database else SharedClock(self.clock))

    @property
    def url(self) -> str:
        """The world's URL."""
        return self.database or f"sqlite:///{self.folder}/torpor.db"

    @property
    def clock(self) -> Path:
        """The file of the clock."""
        return Path(self.folder) / "clock"

    def clock_of(self, number: int) -> Path:
        """Return the file that says by how much a worker's own clock is wrong beside all others."""
        return Path(self.folder) / f"clock-{number}"

    @property
    def tells_time(self) -> bool:
        """Whether somebody else than the workers' clocks says what time it is."""
        return bool(self.database or self.server)

    @property
    def ledger(self) -> Path:
        """The file of executions."""
        return Path(self.folder) / "ledger.txt"

    @property
    def log(self) -> Path:
        """What workers say."""
        return Path(self.folder) / "workers.log"

    @property
    def newer(self) -> Path:
        """The folder of the application's next version."""
        return Path(self.folder) / "newer"

    def application(self, *, newer: bool) -> Path:
        """Return the folder of a version of the application."""
        return self.newer if newer else OLDER

    @property
    def settings(self) -> WorkerSettings:
        """Of every worker."""
        return WorkerSettings(
            lease_ms=self.lease_ms, heartbeat_ms=self.lease_ms // 15, grace_seconds=1, vm_threads=2, step_threads=8
        )
