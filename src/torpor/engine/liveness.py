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
from typing import NamedTuple

from torpor.errors import HostError
from torpor.model import GONE_MS, WorkerRow

_HANGING_LEASES = 20
"""A process that runs counts as dead after so many leases of silence."""

_WATCHING_MS = 2_000
"""Between two looks at workers of whom the world sees whether they are connected."""


@functools.cache
def machine() -> str:
    """Return the identity of this host's boot and pid namespace."""
    parts = [socket.gethostname(), _boot()]
    namespace = Path("/proc/self/ns/pid")
    if namespace.exists():
        parts.append(str(namespace.readlink()))
    return "/".join(parts)


def worker_row(worker_id: str, lease_ms: int, app: str, deployment: str, presence: str = "") -> WorkerRow:
    """Return what others should know of the worker in this process, which a world knows by its *presence*."""
    pid = os.getpid()
    process = _look(pid)
    assert process is not None, "this process runs"
    return WorkerRow(worker_id, machine(), pid, process.born, lease_ms, app, deployment, presence=presence)


def gone(workers: Iterable[WorkerRow]) -> list[str]:
    """Return the ids of those whose process does not run any more; there is no need to wait for their leases."""
    return [worker.id for worker in workers if worker.machine == machine() and _process(worker) is None]


def silent(workers: Iterable[WorkerRow]) -> list[str]:
    """Return the ids of those that are presumed dead: the world did not hear of them, or see them, for too long."""
    return [worker.id for worker in workers if worker.expired and not _may_hang(worker)]


def look_after_ms(workers: Iterable[WorkerRow], at_most: int) -> int:
    """Return when to look at others again: when it shows whether one that is gone is back, and every *at_most*."""
    known = list(workers)
    if left := [GONE_MS - worker.gone_ms for worker in known if worker.gone_ms is not None and not worker.expired]:
        return min(*left, at_most)
    return min(_WATCHING_MS, at_most) if any(worker.presence for worker in known) else at_most


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
    process = _process(worker)
    return process is not None and not process.stopped


class _Process(NamedTuple):
    """
    A process that runs.

    Attributes:
        born: when it started, in a unit and from an origin that the wall clock does not move.
        stopped: by a signal or a debugger.
    """

    born: int
    stopped: bool


def _process(worker: WorkerRow) -> _Process | None:
    """Return the process of a worker on this machine, None when it does not run any more."""
    process = _look(worker.pid)
    return None if process is None or process.born != worker.born else process


def _look(pid: int) -> _Process | None:
    """
    Return what runs under a pid, None for nothing and for a killed process whose parent has not collected it yet.

    Raises:
        HostError: this process has no descriptor left to look with.

    Linux has the state in field 3 of ``/proc/PID/stat``, and clock ticks from boot to start in field 22: see proc(5).
    """
    if not Path("/proc/self/stat").exists():
        return _look_elsewhere(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        raise HostError(f"looking for process {pid}: {error}") from error
    return None if fields[0] in "ZXx" else _Process(int(fields[19]), stopped=fields[0] in "Tt")


def _boot() -> str:
    """Return what tells this boot of the host from others."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        return boot.read_text().strip()
    import psutil  # noqa: PLC0415  # costs 15 ms, and Linux does without

    return str(int(psutil.boot_time()))


def _look_elsewhere(pid: int) -> _Process | None:
    """Return what :func:`_look` does, on systems that have no ``/proc``; psutil's time of birth must do there."""
    import psutil  # noqa: PLC0415  # as above

    try:
        process = psutil.Process(pid)
        state = process.status()
        stopped = state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
        return None if state == psutil.STATUS_ZOMBIE else _Process(int(process.create_time()), stopped)
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # a damaged row may have a number that no process has
        return None
