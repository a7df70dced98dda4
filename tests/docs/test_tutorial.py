"""``docs/tutorial.md``, followed in an empty directory."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor, torpor
from tests.docs.pages import DOCS

__all__ = ["torpor"]

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = [line for block in _BLOCK.findall((DOCS / "tutorial.md").read_text("utf-8")) for line in block.splitlines()]


def test_the_tutorial_goes_as_it_says(torpor: Torpor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its commands does what the page says, with a worker only where the page has one."""
    assert LINES[:4] == ["pip install torpor pytest", "torpor init shop", "cd shop", "torpor dev"]
    monkeypatch.chdir(tmp_path)
    torpor.ok("init", "shop")
    monkeypatch.chdir(tmp_path / "shop")
    said = list[str]()
    for line in LINES[4:-1]:
        command, *arguments = shlex.split(line)
        assert command == "torpor"
        said.append(torpor.ok(*arguments))
        if arguments[0] in {"start", "resume"}:
            torpor.ok("tick", "--budget", "30s")  # in place of the worker of the first terminal
        if arguments[0] == "resume":
            torpor.ok("wake", "o-1")  # in place of two seconds
            torpor.ok("tick", "--budget", "30s")
    stack, hooks, over, past = said[3], said[4], said[6], said[8]
    assert "answer = await hook(" in stack
    assert "receipt = 'receipt-o-1'" in stack
    assert "approve:o-1" in hooks
    assert "completed" in over
    assert "receipt = 'receipt-o-1'" in past
    assert LINES[-1] == "pytest"  # tests/cli/test_init.py runs it
