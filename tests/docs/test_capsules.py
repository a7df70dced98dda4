"""``docs/capsules.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import DOCS, run_python, write_files

PAGE = "capsules.md"
COMMANDS = re.findall(r"^\$ (.*)$", (DOCS / PAGE).read_text(encoding="utf-8"), re.MULTILINE)


def run(folder: Path, command: str) -> str:
    """Return what a command of the page prints."""
    program, *rest = command.split()
    done = run_python(folder, *(rest if program == "python" else ("-m", "torpor.cli", *rest)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quick_start(tmp_path: Path) -> None:
    """The run goes on in the other world, from where it stood in the first."""
    assert write_files(PAGE, tmp_path) == ["shop.py", "begin.py", "go_on.py"]
    begin, export, inspect, bring, go_on, plan, move = COMMANDS
    assert run(tmp_path, begin) == ""
    assert run(tmp_path, export).startswith("order-17.capsule  ")
    assert "who = await hook" in run(tmp_path, inspect)
    assert run(tmp_path, bring) == "order-17\n"
    _, _, printed = (DOCS / PAGE).read_text(encoding="utf-8").partition(f"{go_on}\n```\n\n```\n")
    assert run(tmp_path, go_on) == printed.partition("```")[0]
    assert "running" in run(tmp_path, "torpor runs --app shop.py")
    assert "order-17" in run(tmp_path, "torpor runs --world capsule:order-17.capsule")
    assert run(tmp_path, plan).startswith("1 run (1 running) would move")
    assert run(tmp_path, move).startswith("1 run (1 running) moved")
    assert "  moved  " in run(tmp_path, "torpor runs --app shop.py").splitlines()[1]
    assert "hook approve-o-17" in run(tmp_path, "torpor runs --world sqlite:///grown.db")
