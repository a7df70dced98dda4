"""``docs/schedules.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import run_python, write_files


def test_the_quick_start_runs_as_pasted(tmp_path: Path) -> None:
    """The triggered run, the first slot, what is paused; then the commands."""
    assert write_files("schedules.md", tmp_path) == ["reports.py"]
    done = run_python(tmp_path, "reports.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"sales at \d\d:\d\d:\d\d", lines[0])
    assert any(line.startswith("stock at ") for line in lines)
    assert lines[-2:] == ["often is paused", "weekdays goes on"]
    for command in ("list", "show weekdays", "trigger weekdays", "unpause often"):
        ran = run_python(tmp_path, "-m", "torpor.cli", "schedules", *command.split(), "--app", "reports.py")
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
