"""``docs/queues.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import run_python, write_files


def test_the_quick_start_runs_as_pasted(tmp_path: Path) -> None:
    """The limits hold; then the commands."""
    assert write_files("queues.md", tmp_path) == ["mail.py"]
    done = run_python(tmp_path, "mail.py")
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"letters sent at the same time: (\d)\n", done.stdout)
    assert found is not None
    assert 1 <= int(found[1]) <= 3
    for command in ("queues list", "queues set smtp --concurrency 10 --rate 100/s", "start write_letters dora"):
        ran = run_python(tmp_path, "-m", "torpor.cli", *command.split(), "--app", "mail.py")
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
    listed = run_python(tmp_path, "-m", "torpor.cli", "queues", "list", "--app", "mail.py").stdout
    assert re.search(r"letters +- +0 +1 +2 at once", listed)
    assert re.search(r"smtp +- +0 +0 +10 at once, 2 per key, 100/s", listed)
