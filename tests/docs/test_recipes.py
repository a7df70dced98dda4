"""``docs/recipes.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import run_python, write_files


def test_the_recipes_pass_their_tests(tmp_path: Path) -> None:
    """Every recipe of the page is a file, and the last file tests them all."""
    files = write_files("recipes.md", tmp_path)
    assert files[0] == "shop.py"
    assert files[-1] == "test_recipes.py"
    tested = (tmp_path / "test_recipes.py").read_text(encoding="utf-8")
    assert all(f"from {name.removesuffix('.py')} import" in tested for name in files[:-1])
    done = run_python(tmp_path, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
    assert f"{len(files) - 2} passed" in done.stdout
