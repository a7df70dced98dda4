"""Where capsules of ended runs are kept: what is known of each, and a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from torpor.capsules import SUFFIX, transfer
from torpor.errors import UsageError


class Kept(msgspec.Struct, frozen=True):
    """
    A run as an archive keeps it.

    Attributes:
        run: its id.
        app, workflow, status: as the run has them.
        ended_at: in milliseconds since 1970.
        capsule: the bytes of its file, empty where only the rest is asked for.
    """

    run: str
    app: str
    workflow: str
    status: str
    ended_at: int
    capsule: bytes = b""

    @property
    def moment(self) -> datetime:
        """When it ended."""
        return datetime.fromtimestamp(self.ended_at / 1000, UTC)


class Place(Protocol):
    """Where capsules are kept; its methods are called in threads."""

    def absent(self, runs: Sequence[Kept]) -> list[Kept]:
        """Return those that are not kept there."""
        ...

    def put(self, kept: Sequence[Kept]) -> None:
        """Keep runs, all that are given at once or, where that cannot be, one after the other."""
        ...

    def find(self, run_id: str) -> bytes | None:
        """Return the capsule of a run, the newest of several that have had its id; None when it is not there."""
        ...


class Folder:
    """
    A folder with one for each month.

    Args:
        folder: made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def absent(self, runs: Sequence[Kept]) -> list[Kept]:
        return [kept for kept in runs if not self._file(kept).exists()]

    def put(self, kept: Sequence[Kept]) -> None:
        for each in kept:
            file = self._file(each)
            file.parent.mkdir(parents=True, exist_ok=True)
            transfer.save(file, each.capsule)

    def find(self, run_id: str) -> bytes | None:
        name = _file_name(run_id)
        if not self._folder.is_dir():
            raise UsageError(f"there is no folder {self._folder}")
        files = [file for file in self._folder.glob(f"*/*{SUFFIX}") if _name_in(file) == name]
        return transfer.load(max(files, key=lambda file: int(file.stem.rpartition(".")[2]))) if files else None

    def _file(self, kept: Kept) -> Path:
        return self._folder / f"{kept.moment:%Y-%m}" / f"{_file_name(kept.run)}.{kept.ended_at}{SUFFIX}"


def _file_name(run_id: str) -> str:
    """Return a run's id, which may be any text, as the name of a file."""
    return run_id.replace("%", "%25").replace("/", "%2F")


def _name_in(file: Path) -> str:
    name, _, ended_at = file.stem.rpartition(".")
    return name if ended_at.isdigit() else ""
