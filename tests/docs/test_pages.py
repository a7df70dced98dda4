"""Examples in the documentation run as they are pasted, and print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PAGES = Path(__file__).parents[2] / "docs"
EXAMPLE = re.compile(r"```python\n# (?P<file>\w+\.py)\n(?P<text>.*?)```\n\n```\n(?P<printed>.*?)```\n", re.DOTALL)
PATIENCE_SECONDS = 100


class Example(NamedTuple):
    """A whole file of a page, and what it prints."""

    page: str
    file: str
    text: str
    printed: str


WITH_EXAMPLES = ("runs.md", "cancellation.md", "steps.md", "authority.md")

EXAMPLES = [
    Example(page, found["file"], found["text"], found["printed"])
    for page in WITH_EXAMPLES
    for found in EXAMPLE.finditer((PAGES / page).read_text("utf-8"))
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}-{example.file}")
def test_an_example_does_what_its_page_says(example: Example, tmp_path: Path) -> None:
    """Pasted into a file of that name and run, it prints the block behind it."""
    (tmp_path / example.file).write_text(example.text, "utf-8")
    done = subprocess.run(
        [sys.executable, example.file],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == example.printed


def test_all_examples_are_found() -> None:
    """A page with a whole file that nobody runs would be a page that may be wrong."""
    for page in WITH_EXAMPLES:
        lines = (PAGES / page).read_text("utf-8").splitlines()
        named = [line for line in lines if re.fullmatch(r"# \w+\.py", line)]
        assert len(named) == sum(example.page == page for example in EXAMPLES) >= 1
