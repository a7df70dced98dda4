"""Pages of ``docs/`` as their readers follow them: the files that a page shows, and the commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
_OF_BUILD_SERVERS = ("CI", "BUILD_NUMBER")  # pytest shows errors whole, and twice, where one of them is set
_FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def write_files(page: str, folder: Path) -> list[str]:
    """
    Write the files that a page shows with a title into a folder; return their names.

    Blocks with one title are the parts of one file, in their order.
    """
    parts: dict[str, list[str]] = {}
    for name, content in _FILE.findall((DOCS / page).read_text(encoding="utf-8")):
        parts.setdefault(name, []).append(content)
    for name, contents in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("\n\n".join(contents), encoding="utf-8")
    return list(parts)


def run_python(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as a reader's command does; what it says comes back as text."""
    env = {name: value for name, value in os.environ.items() if name not in _OF_BUILD_SERVERS}
    return subprocess.run(
        [sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )
