"""The SDK as npm installs it, once on a machine, and projects that have it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks.harness.npm import NpmError, packages
from torpor.errors import ConfigurationError
from torpor.programs.javascript.sdk_project import NODE, node, npm_package

VERSIONS = {"5": "5.0.0-beta.55", "4": "4.8.9"}
PROJECT = Path(__file__).parent / "project"
REQUIRED = "TORPOR_TEST_NODE"


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
    require_node()
    try:
        return packages(f"workflow-sdk-{version}", f"workflow@{version}")
    except NpmError as error:
        pytest.skip(str(error))


def make_project(folder: Path, version: str, source: Path = PROJECT) -> Path:
    """Return a copy of a project in *folder*, with the SDK of a version, and what was built of it before."""
    shutil.copytree(source, folder, dirs_exist_ok=True, copy_function=shutil.copy2)
    if version == VERSIONS["4"]:
        (folder / "workflows" / "newer.ts").unlink()
    (folder / "node_modules").symlink_to(modules(version))
    return folder


def add_packages(folder: Path, version: str) -> None:
    """Let a folder have the SDK of a version and ``torpor-world`` as its packages."""
    there = folder / "node_modules"
    there.mkdir()
    (there / "workflow").symlink_to(modules(version) / "workflow")
    (there / "torpor-world").symlink_to(npm_package("world"))
