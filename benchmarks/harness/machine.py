"""What the figures were measured on, without a name or a path that says whose machine it is."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness.database import filesystem, folder

_GIB = 1024**3
_SYNCS = 20
_SYNC_BYTES = 4096


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, kernel, and file system with what one synchronized 4 KiB write costs there."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / _GIB, 1),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "filesystem": filesystem(folder()),
        "fsync_ms": _fsync_ms(),
    }


def versions() -> dict[str, str]:
    """Return versions of Python, of this project (with its commit, where git knows it) and of what it stands on."""
    found = {"python": platform.python_version(), "torpor": _package("torpor")}
    if commit := _commit():
        found["commit"] = commit
    return found | {"wasmtime": _package("wasmtime"), "sqlite": sqlite3.sqlite_version}


def _cpu() -> str:
    """Return the processor's model name."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "Processor"):
                return value.strip()
    return platform.processor() or platform.machine()


def _fsync_ms() -> float:
    """Return the median cost of making 4 KiB durable: the floor under every commit."""
    costs = []
    with tempfile.TemporaryFile(dir=folder()) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            os.write(file.fileno(), bytes(_SYNC_BYTES))
            os.fsync(file.fileno())
            costs.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(costs), 3)


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from the source tree
        return "source tree"


def _commit() -> str:
    """Return the commit of the source tree, with ``+`` when it has changes; empty outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")
