"""``docs/agents.md``, followed in an empty directory, with a model that behaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files
from torpor.testing.model_server import Asked, ModelServer, Said


def _behaves(asked: Asked) -> Said:
    return [
        Said(calls=[("find_order", {"number": "o-17"})]),
        Said(calls=[("refund", {"number": "o-17", "cents": 4200})]),
        Said(calls=[("final_answer", {"letter": "We are sorry! Your money comes back.", "refunded": 4200})]),
    ][asked.replies]


@pytest.mark.long
def test_the_quick_start_and_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both run as pasted, and say what the page says."""
    assert write_files("agents.md", tmp_path) == ["desk.py", "test_desk.py"]
    with ModelServer(_behaves) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        done = run_python(tmp_path, "desk.py")
    assert done.returncode == 0, done.stderr
    page = (DOCS / "agents.md").read_text(encoding="utf-8")
    shown = re.search(r"With a model that behaves:\n\n```\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    assert done.stdout == shown[1]
    tested = run_python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_desk.py")
    assert tested.returncode == 0, tested.stdout + tested.stderr
