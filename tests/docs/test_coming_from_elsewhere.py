"""The pages for users of Temporal, DBOS and the Python Workflow SDK, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files

_TOLD = re.compile(r"^```console\n\$ python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["coming-from-temporal.md", "coming-from-dbos.md", "coming-from-vercel-python.md"])
def test_its_program_says_what_the_page_says(tmp_path: Path, page: str) -> None:
    """To the line."""
    ((file, told),) = _TOLD.findall((DOCS / page).read_text("utf-8"))
    assert write_files(page, tmp_path) == [file]
    done = run_python(tmp_path, file)
    assert (done.stdout, done.returncode) == (told, 0), done.stderr
