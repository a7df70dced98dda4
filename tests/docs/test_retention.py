"""``docs/retention.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import run_python, write_files


def torpor(folder: Path, *args: str) -> str:
    """Return what a command says."""
    done = run_python(folder, "-m", "torpor.cli", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quick_start(tmp_path: Path) -> None:
    """The run ends, is too young, goes, and its name tells how it ended."""
    assert write_files("retention.md", tmp_path) == ["shop.py", "run_shop.py"]
    assert run_python(tmp_path, "run_shop.py").stdout == "200\n"
    assert "watch-news" in torpor(tmp_path, "runs", "--app", "shop.py")
    assert torpor(tmp_path, "prune", "--app", "shop.py", "--dry-run") == "0 runs would be deleted\n"
    listed = torpor(tmp_path, "prune", "--app", "shop.py", "--older-than", "0s", "--dry-run")
    assert "watch-news  watch  completed" in listed
    assert "would be deleted, its name stays for now" in listed
    pruned = torpor(tmp_path, "prune", "--app", "shop.py", "--older-than", "0s", "--archive", "kept")
    assert pruned.endswith("1 runs were deleted\n")
    assert "run_created" in (tmp_path / "kept" / "watch-news.jsonl").read_text()
    shown = torpor(tmp_path, "inspect", "--app", "shop.py", "watch-news")
    assert "what was before it has been dropped" in shown
    assert "output    200" in shown
    assert torpor(tmp_path, "prune", "--app", "shop.py", "--older-than", "0s", "--workflow", "watch") == (
        "0 runs were deleted\n"
    )
    # Started again under its name it is the run that was.
    assert run_python(tmp_path, "run_shop.py").stdout == "200\n"


def test_what_makes_no_sense_is_told(tmp_path: Path) -> None:
    """A duration that is none, and runs that have not ended."""
    write_files("retention.md", tmp_path)
    soon = run_python(tmp_path, "-m", "torpor.cli", "prune", "--app", "shop.py", "--older-than", "soon")
    assert "--older-than soon" in soon.stderr
    nobodys = run_python(tmp_path, "-m", "torpor.cli", "prune", "--world", "sqlite:///none.db")
    assert "no application says what is kept" in nobodys.stderr
    mixed = run_python(tmp_path, "-m", "torpor.cli", "prune", "--app", "shop.py", "--status", "completed")
    assert "go with --older-than" in mixed.stderr
    alive = run_python(
        tmp_path, "-m", "torpor.cli", "prune", "--app", "shop.py", "--older-than", "1d", "--status", "running"
    )
    assert "runs that are running have not ended" in alive.stderr
