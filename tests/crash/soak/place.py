"""Where a soak takes place: its files, and what workers and driver must agree on."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec

from tests.crash.soak.clock import SharedClock
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
        server: URL by which workers have the world, ``""`` when they have its file.
        token: what lets them in there.
    """

    folder: str
    lease_ms: int
    server: str = ""
    token: str = ""

    def world(self) -> World:
        """Return the world as a worker has it; a server tells the time as well."""
        if self.server:
            return cast(World, HttpWorld(self.server, token=self.token))
        return open_world(self.url, SharedClock(self.clock))

    @property
    def url(self) -> str:
        """The world's URL."""
        return f"sqlite:///{self.folder}/torpor.db"

    @property
    def clock(self) -> Path:
        """The file of the clock."""
        return Path(self.folder) / "clock"

    @property
    def ledger(self) -> Path:
        """The file of executions."""
        return Path(self.folder) / "ledger.txt"

    @property
    def log(self) -> Path:
        """What workers say."""
        return Path(self.folder) / "workers.log"

    @property
    def settings(self) -> WorkerSettings:
        """Of every worker."""
        return WorkerSettings(
            lease_ms=self.lease_ms, heartbeat_ms=self.lease_ms // 15, grace_seconds=1, vm_threads=2, step_threads=8
        )
