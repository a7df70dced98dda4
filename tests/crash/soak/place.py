"""Where a soak takes place: its files, and what workers and driver must agree on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from torpor import WorkerSettings


class Place(msgspec.Struct, frozen=True):
    """
    A soak's folder, and the lease of its workers.

    Attributes:
        folder: for all files.
        lease_ms: of every worker.
    """

    folder: str
    lease_ms: int

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
