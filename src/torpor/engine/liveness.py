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
    born = int(psutil.Process().create_time() * 1000)
    return WorkerRow(worker_id, machine(), os.getpid(), born, seen_at=now, until=now + lease_ms)


def dead_workers(workers: Iterable[WorkerRow], me: str, now: int) -> list[str]:
    """Return the ids of workers, other than *me*, that are certainly or presumably dead."""
    return [worker.id for worker in workers if worker.id != me and _is_dead(worker, now)]


def _is_dead(worker: WorkerRow, now: int) -> bool:
    if worker.machine != machine():
        return worker.until < now
    try:
        process = psutil.Process(worker.pid)
        # A killed process whose parent has not collected it yet is still listed, as a zombie.
        gone = int(process.create_time() * 1000) != worker.born or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    return gone or worker.until < now
