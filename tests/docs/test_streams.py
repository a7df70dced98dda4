"""``docs/streams.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import run_python, write_files


def test_the_quick_starts_run_as_pasted(tmp_path: Path) -> None:
    """The words as they are told, what is read from the end, and two generators in a row."""
    assert write_files("streams.md", tmp_path) == ["story.py", "pipeline.py"]
    told = run_python(tmp_path, "story.py")
    assert told.returncode == 0, told.stderr
    words = ["Once", "upon", "a", "time", "there", "was", "a", "whale."]
    assert told.stdout.splitlines() == [*words, "8 words; the last two: ['a', 'whale.']"]
    done = run_python(tmp_path, "pipeline.py")
    assert done.returncode == 0, done.stderr
    lines = ["THE WHALE SINGS"]
    lines += [f"{n} {word}" for n, word in enumerate(["the", "whale", "sings", "THE", "WHALE", "SINGS"])]
    assert done.stdout.splitlines() == lines
