"""
Who is alive: a worker on this machine by its process, a worker elsewhere by its heartbeat; the world measures how long
it was silent.

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
"""A process that runs counts as dead after so many leases of silence."""


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


def worker_row(worker_id: str, lease_ms: int, app: str, deployment: str) -> WorkerRow:
    """Return what others should know of the worker in this process."""
    pid = os.getpid()
    return WorkerRow(worker_id, machine(), pid, _born(pid), lease_ms, app, deployment)


def gone(workers: Iterable[WorkerRow]) -> list[str]:
    """Return the ids of those whose process does not run any more; there is no need to wait for their leases."""
    return [worker.id for worker in workers if worker.machine == machine() and _state(worker) is None]


def silent(workers: Iterable[WorkerRow]) -> list[str]:
    """Return the ids of those that are presumed dead, because the world did not hear of them for too long."""
    return [worker.id for worker in workers if worker.expired and not _may_hang(worker)]


def living(workers: Iterable[WorkerRow]) -> list[WorkerRow]:
    """Return those that are neither gone nor presumed dead."""
    known = list(workers)
    dead = {*gone(known), *silent(known)}
    return [worker for worker in known if worker.id not in dead]


def _may_hang(worker: WorkerRow) -> bool:
    """
    Return whether a worker whose lease has passed is to be left alone, because its process runs.

    A step may hold its event loop up. A process that was stopped, by a signal or a debugger, is no such case.
    """
    if worker.machine != machine() or worker.silent_ms > _HANGING_LEASES * worker.lease_ms:
        return False
    return _state(worker) not in (None, psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)


def _state(worker: WorkerRow) -> str | None:
    """Return the state of a worker's process on this machine, None when it does not run any more."""
    try:
        state = str(psutil.Process(worker.pid).status())
        # A killed process whose parent has not collected it yet is still listed, as a zombie.
        return None if state == psutil.STATUS_ZOMBIE or _born(worker.pid) != worker.born else state
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return None


def _born(pid: int) -> int:
    """
    Return when a process started, in a unit and from an origin that the wall clock does not move.

    Linux counts clock ticks since boot (field 22 of ``/proc/PID/stat``, see proc(5)); elsewhere psutil's time must do.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return int(stat.read_text().rpartition(")")[2].split()[19])
    return int(psutil.Process(pid).create_time())
