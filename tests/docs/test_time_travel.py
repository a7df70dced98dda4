"""``docs/time-travel.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files

PAGE = "time-travel.md"
_PRINTED = re.compile(r'^```python title="([^"]+)"\n.*?^```\n\n```\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PRINTED = dict(_PRINTED.findall((DOCS / PAGE).read_text(encoding="utf-8")))


def test_every_file_says_what_it_prints() -> None:
    """So that each of them is run below."""
    assert list(PRINTED) == ["past.py"]


@pytest.mark.parametrize("file", PRINTED)
def test_the_examples_run_as_pasted(file: str, tmp_path: Path) -> None:
    """They print what the page says."""
    write_files(PAGE, tmp_path)
    done = run_python(tmp_path, file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[file]
