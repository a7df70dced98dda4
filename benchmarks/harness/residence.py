"""How much memory this process has."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import psutil

MIB = 1024 * 1024


def resident_mib() -> float:
    """Return what is resident now, after collecting garbage."""
    gc.collect()
    return float(psutil.Process().memory_info().rss) / MIB


def peak_mib() -> float:
    """Return the most that was ever resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage() would also count what the parent had when this process was forked.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024
