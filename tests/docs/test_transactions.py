"""``docs/transactions.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import DOCS, run_python, write_files

_TOLD = re.compile(r"^```console\n\$ python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_runs_as_pasted(tmp_path: Path) -> None:
    """Each program says what the page says that it says."""
    told = dict(_TOLD.findall((DOCS / "transactions.md").read_text("utf-8")))
    assert write_files("transactions.md", tmp_path) == [*told]
    for program, says in told.items():
        done = run_python(tmp_path, program)
        assert (done.returncode, done.stdout) == (0, says), done.stderr
