"""How many cores this process may use: those of the machine, of its affinity, and of its control group's quota."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")


def available_cores(root: Path = _ROOT) -> int:
    """
    Return how many cores this process may use, at least 1; a quota of one and a half counts as two.

    Args:
        root: folder that ``proc`` and ``sys`` are in.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """
    Yield the cores that each control group around this process grants.

    A line of ``/proc/self/cgroup`` is number, controllers and path; version 2 has number 0 and no controllers. See
    cgroups(7). Inside a container the path may not exist below the mount, whose root is the container's group then.
    """
    groups = root / "sys/fs/cgroup"
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0" and not controllers:
                yield from _along(groups, path, _quota)
            elif "cpu" in controllers.split(","):
                yield from _along(groups / controllers, path, _quota_of_version_1)
                yield from _along(groups / "cpu", path, _quota_of_version_1)


def _along(mount: Path, path: str, read: Callable[[Path], float]) -> Iterator[float]:
    """Yield what the groups from the mount down to a path grant."""
    inner = mount / path.strip("/")
    for folder in (inner, *inner.parents):
        with suppress(OSError, ValueError):
            yield read(folder)
        if folder == mount:
            break


def _quota(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return _cores(int(quota), int(period))  # "max" is no number: no limit


def _quota_of_version_1(folder: Path) -> float:
    return _cores(int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text()))


def _cores(quota: int, period: int) -> float:
    if quota <= 0 or period <= 0:  # -1: no limit
        raise ValueError(quota, period)
    return quota / period
