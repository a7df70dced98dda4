"""The research example: its workflow as the plain function that it is, and the demo as users run it, made short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from examples.research import app as example

ROOT = Path(__file__).parents[2]

TEXTS = {
    "sea.md": "A whale swims.\nThe whale sings, and other whales listen.\n",
    "land.md": "A badger digs.\nThe badger sleeps. Nobody sings.\n",
    "sky.md": "Some birds sings while they sleeps.\n",
    ".hidden/notes.md": "whale whale whale\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with texts, one of them hidden."""
    for name, text in TEXTS.items():
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "texts"


async def test_terms_are_ranked_by_what_they_tell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A word of one text comes before a word of several, and is quoted where it stands first.
    """
    monkeypatch.setattr(example, "THINKING_SECONDS", 0)

    report = await example.research(str(folder), passages=5, most=3)

    assert (report.texts, report.passages) == (3, 5)
    assert [(found.term, found.count, found.texts) for found in report.findings] == [
        ("badger", 2, 1),
        ("whale", 2, 1),
        ("birds", 1, 1),
    ]
    assert report.findings[1].quote == "A whale swims."


def test_a_word_of_all_texts_tells_nothing() -> None:
    """
    Its score is zero, however often it is used.
    """
    ranked = example.rank({"a": Counter(common=9, rare=1), "b": Counter(common=9)})

    assert [term for term, *_ in ranked] == ["rare", "common"]
    assert ranked[1] == ("common", 18, 2, 0.0)


async def test_passages_cover_every_line_once(folder: Path) -> None:
    """
    Whatever the number of passages, each line is in one of them, and hidden folders are left out.
    """
    for passages in (1, 2, 5, 100):
        pieces = await example.cut(str(folder), passages)
        lines = [(piece.path, line) for piece in pieces for line in range(piece.start, piece.end)]
        assert len(lines) == len(set(lines)) == 5


def test_a_killed_fan_out_is_resumed(tmp_path: Path) -> None:
    """
    A worker is killed while steps run; the next one ends the run with the right result, repeating only what it must.
    """
    command = [sys.executable, "-m", "examples.research.demo", "--folder", str(tmp_path / "demo"), "--passages", "60"]
    played = subprocess.run(  # noqa: PLW1510  # its output tells more than its exit code
        command, cwd=ROOT, env={**os.environ, "THINKING_SECONDS": "1"}, capture_output=True, text=True, timeout=100
    )

    assert played.returncode == 0, played.stdout + played.stderr
    assert "killed (SIGKILL)" in played.stdout
    assert "returned the same" in played.stdout
    steps, begun = (int(number) for number in re.findall(r"steps +(\d+), begun (\d+) times", played.stdout)[0])
    (twice,) = (int(number) for number in re.findall(r"ran twice +(\d+)", played.stdout))
    assert 0 < twice < steps
    assert begun == steps + twice
