"""The project of the benchmarks with the SDK's packages: as Torpor takes it, and built by the SDK for itself."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.npm import NpmError, packages

SDK: Final = "5.0.0-beta.55"
SDK_ON_POSTGRES: Final = "4.8.9"
"""The newest version that has a world on Postgres which npm installs, …"""
WORLD_POSTGRES: Final = "4.3.7"
"""… and that world's."""

_FOLDER: Final = Path(__file__).parent
_PROJECT: Final = _FOLDER / "project"
_STEPS: Final = _FOLDER / "steps.py"
_SERVER: Final = _FOLDER / "server.mjs"
_BUILD_SECONDS_MAX: Final = 300


def torpor_project(folder: Path) -> Path:
    """
    Return a copy of the project in *folder*, as its author would have it after ``npm install``.

    Raises:
        BenchmarkError: the SDK cannot be installed.
    """
    shutil.copytree(_PROJECT, folder, copy_function=shutil.copy2)
    (folder / "node_modules").symlink_to(_packages(f"workflow-sdk-{SDK}", f"workflow@{SDK}"))
    return folder


def python_project(folder: Path) -> Path:
    """Return a folder with the project's workflows, whose steps are those in Python beside them."""
    (folder / "workflows").mkdir(parents=True)
    shutil.copy(_STEPS, folder)
    for source in (_PROJECT / "workflows").iterdir():
        text = source.read_text("utf-8").replace('from "../steps"', 'from "../steps.py"')
        (folder / "workflows" / source.name).write_text(text, "utf-8")
    return folder


def sdk_project(*, on_postgres: bool) -> Path:
    """
    Return the project as the SDK builds it for itself, with a server; built once for a state of its files.

    Raises:
        BenchmarkError: the SDK cannot be installed, or does not build.
    """
    if on_postgres:
        wanted = (f"workflow@{SDK_ON_POSTGRES}", f"@workflow/world-postgres@{WORLD_POSTGRES}")
        modules = _packages(f"workflow-sdk-{SDK_ON_POSTGRES}-postgres", *wanted)
    else:
        modules = _packages(f"workflow-sdk-{SDK}", f"workflow@{SDK}")
    kept = modules.parent / f"benchmark-{_state()}"
    kept.mkdir(exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / "built").exists():
            _build(kept, modules)
            (kept / "built").touch()
    return kept / "project"


def _packages(name: str, *wanted: str) -> Path:
    try:
        return packages(name, *wanted)
    except NpmError as error:
        raise BenchmarkError(str(error)) from None


def _state() -> str:
    files = sorted(each for each in (*_PROJECT.rglob("*"), _SERVER) if each.is_file())
    told = [f"{each.relative_to(_FOLDER)}\n{each.read_text('utf-8')}" for each in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _build(kept: Path, modules: Path) -> None:
    project = kept / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(_PROJECT, project)
    shutil.copy(_SERVER, project)
    (project / "node_modules").symlink_to(modules)
    command = [str(modules / ".bin" / "workflow"), "build", "--target", "standalone"]
    environment = os.environ | {"WORKFLOW_TELEMETRY_DISABLED": "1"}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=_BUILD_SECONDS_MAX, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"the SDK does not build {_PROJECT}: {(done.stderr or done.stdout).strip()[-1000:]}")
