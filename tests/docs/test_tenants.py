"""``docs/tenants.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import run_python, write_files


def test_the_quick_start_runs_as_pasted(tmp_path: Path) -> None:
    """A program works, another one is stopped; then the commands."""
    assert write_files("tenants.md", tmp_path) == ["hosting.py"]
    done = run_python(tmp_path, "hosting.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['sent to anna', 'sent to bela']\nQUOTA_EXCEEDED\n2 runs, 2 steps\n"
    world = ("--world", "sqlite:///hosting.db")

    def torpor(*command: str) -> str:
        ran = run_python(tmp_path, "-m", "torpor.cli", *command, *world)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert "acme" in torpor("tenants", "list")
    assert '"cpu_per_turn": 0.2' in torpor("tenants", "show", "acme")
    assert torpor("tenants", "delete", "acme", "--yes") == "acme: deleted, with 2 runs\n"
