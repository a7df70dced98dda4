"""Processor time of a process and of all that it has started."""

from __future__ import annotations

import sys
import time

import psutil

_OF_A_PROCESS = 2  # in the number of a clock: what all threads of a process have used, to the nanosecond


def used_ms(process_id: int) -> float:
    """Return the milliseconds of processor time of a process and of those that it has started, if they live."""
    root = psutil.Process(process_id)
    return sum(_used_ms(each) for each in (root, *root.children(recursive=True)))


def _used_ms(process: psutil.Process) -> float:
    try:
        if sys.platform == "linux":
            return time.clock_gettime_ns((~process.pid << 3) | _OF_A_PROCESS) / 1e6
        times = process.cpu_times()
    except (psutil.NoSuchProcess, OSError):
        return 0
    return 1000 * (times.user + times.system)
