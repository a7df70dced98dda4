"""The SDK as npm installs it, once on a machine, and projects that have it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from torpor.errors import ConfigurationError
from torpor.programs.javascript.sdk_project import NODE, node

VERSIONS = {"5": "5.0.0-beta.55", "4": "4.8.9"}
PROJECT = Path(__file__).parent / "project"
REQUIRED = "TORPOR_TEST_NODE"
INSTALL_SECONDS_MAX = 300


def require_node() -> str:
    """Return the path of Node; skip where there is none, and fail where ``TORPOR_TEST_NODE=required`` says so."""
    try:
        return node()
    except ConfigurationError as error:
        if os.environ.get(REQUIRED) == "required":
            raise
        pytest.skip(f"{error} (or {NODE})")


def modules(version: str) -> Path:
    """Return a folder of packages with the SDK of a version, which npm fills the first time, behind a lock."""
    kept = Path(os.environ.get("TORPOR_CACHE") or Path.home() / ".cache" / "torpor") / f"workflow-sdk-{version}"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / "installed").exists():
            npm = shutil.which("npm", path=f"{Path(require_node()).parent}{os.pathsep}{os.environ['PATH']}")
            if npm is None:
                pytest.skip("there is no npm, which installs the Workflow SDK for this test")
            (kept / "package.json").write_text('{ "private": true, "type": "module" }')
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"workflow@{version}"]
            subprocess.run(command, cwd=kept, check=True, capture_output=True, timeout=INSTALL_SECONDS_MAX)
            (kept / "installed").touch()
    return kept / "node_modules"


def make_project(folder: Path, version: str, source: Path = PROJECT) -> Path:
    """Return a copy of a project in *folder*, with the SDK of a version, and what was built of it before."""
    shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
    if version == VERSIONS["4"]:
        (folder / "workflows" / "newer.ts").unlink()
    (folder / "node_modules").symlink_to(modules(version))
    return folder
