"""How many cores a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torpor.processes.cores import available_cores


def write(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder that stands for the root of the file system."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def _sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of sixteen cores, all of which this process may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    """A process that is bound to some cores uses these."""
    assert available_cores(tmp_path) == 16


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"shop/cpu.max": "max 100000"}, 16, id="no limit"),
        pytest.param({"shop/cpu.max": "400000 100000"}, 4, id="a limit"),
        pytest.param({"shop/cpu.max": "150000 100000"}, 2, id="a part of a core counts as one"),
        pytest.param({"shop/cpu.max": "5000 100000"}, 1, id="never less than one"),
        pytest.param({"shop/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3, id="a limit of the group above"),
        pytest.param({"shop/cpu.max": "200000 100000", "cpu.max": "300000 100000"}, 2, id="the smallest limit"),
        pytest.param({"cpu.max": "300000 100000"}, 3, id="a container that sees its own group as the root"),
        pytest.param({"shop/cpu.max": "nonsense"}, 16, id="a file that makes no sense"),
        pytest.param({"shop/cpu.max": "9900000 100000"}, 16, id="more than there are"),
    ],
)
def test_the_quota_of_control_groups_counts(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    """As version 2 has it, of the process's group and those around it."""
    below = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}

    assert available_cores(write(tmp_path, below | {"proc/self/cgroup": "0::/shop\n"})) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 16), ("250000", 3)])
def test_the_quota_of_version_1_counts(tmp_path: Path, quota: str, cores: int) -> None:
    """Its controllers have a folder each."""
    files = {
        "proc/self/cgroup": "3:cpu,cpuacct:/shop\n1:name=systemd:/\n",
        "sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_quota_us": quota,
        "sys/fs/cgroup/cpu,cpuacct/shop/cpu.cfs_period_us": "100000",
    }

    assert available_cores(write(tmp_path, files)) == cores
