"""``docs/coming-from-celery.md``, followed in an empty directory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files

PAGE = DOCS / "coming-from-celery.md"
_COMMAND = re.compile(r"^\$ python -m (\S+) (\S+) > (\S+)$", re.MULTILINE)
_ASKED = re.compile(r"^\$ torpor (start .*)\n(.*)$", re.MULTILINE)


def test_what_is_printed_is_what_the_page_shows(tmp_path: Path) -> None:
    """The module made of the Celery application is the one of the page, to the letter."""
    write_files(PAGE.name, tmp_path)
    module, target, _ = _COMMAND.findall(PAGE.read_text("utf-8"))[0]
    made = run_python(tmp_path, "-m", module, target)
    assert made.returncode == 0, made.stderr
    assert f"```python\n{made.stdout}```" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("number", [0, 1], ids=["celery", "apscheduler"])
def test_what_was_moved_runs(tmp_path: Path, number: int) -> None:
    """A worker takes the printed module, and the run has the result of the task."""
    write_files(PAGE.name, tmp_path)
    module, target, file = _COMMAND.findall(PAGE.read_text("utf-8"))[number]
    command, answer = _ASKED.findall(PAGE.read_text("utf-8"))[number]
    (tmp_path / file).write_text(run_python(tmp_path, "-m", module, target).stdout, "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "torpor.cli", "worker", file, "--processes", "1"], cwd=tmp_path
    ) as worker:
        try:
            asked = run_python(tmp_path, "-m", "torpor.cli", *command.split())
        finally:
            worker.terminate()
    assert asked.returncode == 0, asked.stderr
    assert answer in asked.stdout
