"""A fresh database for every set of samples, on a disk and not in memory that only looks like one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec
import psutil

from benchmarks.harness.setting import WORLD_DEFAULT, Setting

_IN_MEMORY = {"tmpfs", "ramfs", "devtmpfs"}


@contextmanager
def fresh(setting: Setting) -> Iterator[Setting]:
    """
    Give the setting with the URL of an empty world, which ends with the block: a file, or a database on the server.

    Other worlds are used as they are: the runs of earlier sets stay in them.
    """
    if setting.scheme == "postgres":
        from benchmarks.harness.postgres import scratch  # noqa: PLC0415  # needs the extra that brings a driver

        with scratch(setting.world) as url:
            yield msgspec.structs.replace(setting, world=url)
        return
    if setting.scheme == "redis":
        from benchmarks.harness.redis import scratch as keys  # noqa: PLC0415  # as above

        with keys(setting.world) as url:
            yield msgspec.structs.replace(setting, world=url)
        return
    if not setting.world.startswith(WORLD_DEFAULT) or urlsplit(setting.world).path:
        yield setting
        return
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-", dir=folder()) as made:
        parameters = urlsplit(setting.world).query
        path = quote(str(Path(made) / "torpor.db"))
        url = f"sqlite:///{path}" + (f"?{parameters}" if parameters else "")
        yield msgspec.structs.replace(setting, world=url)


def file_bytes(setting: Setting) -> int | None:
    """Return the size of the world's file or database after everybody has closed it; None for one that has none."""
    if setting.scheme == "postgres":
        from benchmarks.harness.postgres import counters  # noqa: PLC0415  # as above

        return counters(setting.world).size
    parts = urlsplit(setting.world)
    if parts.scheme != "sqlite":
        return None
    file = Path(unquote(parts.path.removeprefix("/")))
    log = file.with_name(f"{file.name}-wal")
    return sum(path.stat().st_size for path in (file, log) if path.exists())


def folder() -> Path:
    """Return where databases are made: the system's folder for temporary files, or another one that is on a disk."""
    chosen = Path(tempfile.gettempdir())
    for candidate in (chosen, Path("/var/tmp"), Path.cwd()):  # noqa: S108  # what is made there has a random name
        if candidate.is_dir() and filesystem(candidate) not in _IN_MEMORY:
            return candidate
    return chosen


def filesystem(path: Path) -> str:
    """Return the type of the file system that holds *path*, such as ``ext4``; empty when the system does not tell."""
    path = path.resolve()
    holders = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    return max(holders, key=lambda part: len(part.mountpoint)).fstype if holders else ""
