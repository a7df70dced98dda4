"""
Who is alive: a worker on this machine by its process, a worker elsewhere by its heartbeat.

A process is the one that registered when its pid lives and was born at the same moment, so a reused pid does not
pass for it. Pids can be compared only inside one boot of one host and one pid namespace.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from torpor.model import WorkerRow

_HANGING_LEASES = 20
"""A process that lives counts as dead after so many leases of silence."""


@functools.cache
def machine() -> str:
    """Return the identity of this host's boot and pid namespace."""
    parts = [socket.gethostname(), str(int(psutil.boot_time()))]
    namespace = Path("/proc/self/ns/pid")
    if namespace.exists():
        parts.append(str(namespace.readlink()))
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        parts[1] = boot.read_text().strip()
    return "/".join(parts)


def worker_row(worker_id: str, now: int, lease_ms: int) -> WorkerRow:
    """Return what others should know of the worker in this process."""
    pid = os.getpid()
    return WorkerRow(worker_id, machine(), pid, _born(pid), seen_at=now, until=now + lease_ms)


def dead_workers(workers: Iterable[WorkerRow], me: str, now: int) -> list[str]:
    """Return the ids of workers, other than *me*, that are certainly or presumably dead."""
    return [worker.id for worker in workers if worker.id != me and _is_dead(worker, now)]


def _is_dead(worker: WorkerRow, now: int) -> bool:
    silence = now - worker.until
    if worker.machine != machine():
        return silence > 0
    try:
        # A killed process whose parent has not collected it yet is still listed, as a zombie.
        if psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE or _born(worker.pid) != worker.born:
            return True
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return True
    # It lives, but may hang. A clock that was set, or a machine that slept, must not make workers kill each other.
    return silence > _HANGING_LEASES * (worker.until - worker.seen_at)


def _born(pid: int) -> int:
    """
    Return when a process started, in a unit and from an origin that the wall clock does not move.

    Linux counts clock ticks since boot (field 22 of ``/proc/PID/stat``, see proc(5)); elsewhere psutil's time must do.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return int(stat.read_text().rpartition(")")[2].split()[19])
    return int(psutil.Process(pid).create_time())
