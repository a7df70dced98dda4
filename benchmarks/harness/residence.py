"""How much memory this process has."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import psutil

from torpor.processes.memory import taken_bytes

MIB = 1024 * 1024


def resident_mib() -> float:
    """Return what is resident now, after collecting garbage."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / MIB


def worker_peak_mib() -> float:
    """Return the most that was ever resident of a worker process: the largest of this one's, else this one."""
    return max((peak_mib(worker.pid) for worker in psutil.Process().children()), default=peak_mib())


def worker_memory_mib() -> float:
    """Return what the worker process that takes most takes now, each page once; 0 where the system does not tell."""
    workers = [taken_bytes(worker.pid) for worker in psutil.Process().children()] or [taken_bytes()]
    return max(taken or 0 for taken in workers) / MIB


def cpu_seconds() -> float:
    """Return the processor time that this process and the worker processes have used."""
    processes = [psutil.Process(), *psutil.Process().children()]
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def peak_mib(pid: int | None = None) -> float:
    """Return the most that was ever resident of a process, this one by default."""
    status = Path(f"/proc/{pid or 'self'}/status")
    if status.exists():
        # getrusage() would also count what the parent had when this process was forked.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024
