"""Packages that npm installs, once on a machine, for benchmarks and tests that need Node."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from torpor.programs.javascript.sdk_project import node

_SECONDS_MAX: Final = 300
_TOLD_CHARS: Final = 1_000


class NpmError(Exception):
    """Packages cannot be installed here; the message says why."""


def packages(name: str, *wanted: str) -> Path:
    """
    Return a folder ``node_modules`` with packages, which npm fills the first time, behind a lock.

    Args:
        name: of the folder in Torpor's cache.
        wanted: packages with their versions, such as ``workflow@5.0.0-beta.55``.

    Raises:
        NpmError: there is no npm, or it cannot install them.
        ConfigurationError: there is no Node, or one that is too old.
    """
    kept = Path(os.environ.get("TORPOR_CACHE") or Path.home() / ".cache" / "torpor") / name
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (kept / "installed").exists():
            _install(kept, wanted)
            (kept / "installed").touch()
    return kept / "node_modules"


def _install(folder: Path, wanted: tuple[str, ...]) -> None:
    beside_node = f"{Path(node()).parent}{os.pathsep}{os.environ['PATH']}"
    npm = shutil.which("npm", path=beside_node)
    if npm is None:
        raise NpmError(f"there is no npm, which installs {' and '.join(wanted)} here; install it with Node")
    (folder / "package.json").write_text('{ "private": true, "type": "module" }')
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise NpmError(f"npm has not installed {' and '.join(wanted)} within {_SECONDS_MAX} s") from None
    if done.returncode != 0:
        raise NpmError(f"npm cannot install {' and '.join(wanted)}: {done.stderr.strip()[-_TOLD_CHARS:]}")
