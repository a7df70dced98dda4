"""
Folders of compiled code, and which of them are trusted.

Compiled code is machine code that this process will run. So a folder and its files are used only when nobody can have
written them but this user or root: owner and mode tell. Root may make a folder once that all users of a machine read,
``/var/cache/torpor`` or one that ``TORPOR_CACHE`` names; who may not write there keeps what is missing in a folder of
their own.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple

from torpor.vm.progress import Progress

SHARED_DIRECTORY = Path("/var/cache/torpor")
"""Where root may keep compiled code for all users of a machine."""

NOWHERE = Path("/dev/null/torpor")
"""A folder that cannot be: nothing is found in it, and writing to it fails."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_told: set[tuple[Path, str]] = set()


class CacheFolders(NamedTuple):
    """
    Where entries are looked for, and where new ones go.

    Attributes:
        readable: folders in the order in which they are looked into.
        writable: the folder for new entries; :data:`NOWHERE` when there is none.
    """

    readable: tuple[Path, ...]
    writable: Path


def default_directory() -> Path:
    """Return ``TORPOR_CACHE``, or ``torpor`` in the user's cache directory."""
    chosen = os.environ.get("TORPOR_CACHE")
    return Path(chosen) if chosen else _private_directory()


def choose_folders(progress: Progress, chosen: Path | None = None) -> CacheFolders:
    """
    Return the folders of this process, and tell, once, of one that is not trusted.

    A folder that was chosen and can be written stands alone, so that it comes to hold all that is needed.

    Args:
        progress: told.
        chosen: use this folder only.
    """
    first = chosen or default_directory()
    asked = chosen is not None or "TORPOR_CACHE" in os.environ
    readable = []
    if _is_trusted(first, progress):
        readable.append(first)
        if asked and (_can_write(first) or chosen is not None):
            return CacheFolders((first,), first)
    private = _private_directory()
    if chosen is None and private != first and _is_trusted(private, progress):
        readable.append(private)
    if chosen is None and distrusted_folder(SHARED_DIRECTORY) is None:
        readable.append(SHARED_DIRECTORY)
    return CacheFolders(tuple(readable), next(filter(_can_write, readable), NOWHERE))


def distrusted_folder(folder: Path) -> str | None:
    """Return why what lies in a folder may be anybody's, or None; a folder that is not there yet is trusted."""
    try:
        have = folder.stat()
    except OSError:
        return None
    return _complaint(folder, have)


def is_trusted_file(path: Path) -> bool:
    """Return whether a file in a trusted folder is this user's or root's, and nobody else can write it."""
    try:
        have = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(have.st_mode) and _complaint(path, have) is None


def _complaint(path: Path, have: os.stat_result) -> str | None:
    if have.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {have.st_uid}, not to you or root; set TORPOR_CACHE to a folder of your own"
    if have.st_mode & _OTHERS_WRITE:
        return f"others can write there (mode {stat.S_IMODE(have.st_mode):o}); chmod go-w {path}"
    return None


def _can_write(folder: Path) -> bool:
    effective = os.access in os.supports_effective_ids
    for there in (folder, *folder.absolute().parents):
        try:
            have = there.stat()
        except FileNotFoundError:
            continue
        except OSError:
            return False
        return stat.S_ISDIR(have.st_mode) and os.access(there, os.W_OK | os.X_OK, effective_ids=effective)
    return False


def _private_directory() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "torpor"
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torpor"
    except RuntimeError:  # a user without a home
        return Path("/nonexistent/torpor")


def _is_trusted(folder: Path, progress: Progress) -> bool:
    reason = distrusted_folder(folder)
    if reason is not None and (folder, reason) not in _told:
        _told.add((folder, reason))
        progress(f"torpor: compiled code in {folder} is not used: {reason}")
    return reason is None
