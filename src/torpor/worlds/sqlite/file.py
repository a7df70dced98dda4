"""The database's file: its owner's alone, and noticed when it goes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from torpor.errors import WorldError

_OWNER_ONLY: Final = 0o600

_SURE_SECONDS: Final = 0.02
"""For so long a look counts: what was stored since the last one is gone with the file, whenever that is noticed."""


class DatabaseFile:
    """
    A file that was opened: which one it is, however others rename, delete or replace it.

    It is only looked at: to open and close it a second time would take SQLite's locks away from this process.

    Args:
        path: where it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = self._look()
        self._sure_until = 0.0

    def check(self, url: str, about: str) -> None:
        """
        Make sure that what is stored now is stored in the file that others see.

        Args:
            url: of the world.
            about: what is being done, for the message.

        Raises:
            WorldError: the file was deleted, or another stands in its place.
        """
        now = time.monotonic()
        if now < self._sure_until:
            return
        found = self._look()
        if found == self._identity:
            self._sure_until = now + _SURE_SECONDS
            return
        what = "is not there any more" if found is None else "was replaced by another"
        raise WorldError(
            f"{about} failed in world {url}, and nothing of it was stored: the file {self.path} {what} since it was "
            "opened. Stop every process that uses it, put the right file in its place, then start them again"
        )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino


def make_private(path: Path) -> None:
    """Make an empty file for its owner alone, if there is none; SQLite gives the files beside it the same mode."""
    # What is there is for SQLite to open, and what cannot be made for it to say why.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
