"""What a newcomer waits for: the guest languages are compiled and booted on an empty cache."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.database import folder
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting

BUILDS = {"quickjs": ("--guest", "quickjs"), "cpython": ("--guest", "cpython")}
"""Build → how ``torpor warm`` is told to make it and nothing else."""

_MIB = 1 << 20


class Warmed(msgspec.Struct, frozen=True):
    """Seconds of wall and processor time, and MiB of memory at most and on disk."""

    compile: float
    cpu: float
    peak_rss: float
    disk: float


UNITS = {"compile": "s", "cpu": "s", "peak_rss": "MiB", "disk": "MiB"}


def run(setting: Setting) -> list[Row]:
    """Return the rows of each build, made anew as often as samples are asked for."""
    rows = Rows("warm", msgspec.structs.replace(setting, world="none://"))
    for build, options in BUILDS.items():
        samples = []
        for number in range(setting.samples):
            say(f"warm: {build}, {number + 1} of {setting.samples}")
            samples.append(_warmed(options))
        for name, unit in UNITS.items():
            rows.add(name, unit, [getattr(sample, name) for sample in samples], {"build": build})
    return rows.all


def _warmed(options: tuple[str, ...]) -> Warmed:
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-", dir=folder()) as cache:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "torpor.cli", "warm", *options],
            env=os.environ | {"TORPOR_CACHE": cache},
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise BenchmarkError(f"torpor warm {' '.join(options)} ended with {process.returncode}")
        disk = sum(file.stat().st_size for file in Path(cache).rglob("*") if file.is_file())
    # Linux counts the peak in KiB, macOS in bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Warmed(seconds, used.ru_utime + used.ru_stime, peak / _MIB, disk / _MIB)
