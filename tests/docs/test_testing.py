"""``docs/testing.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import run_python, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with the files of the page."""
    tests = ["test_shop.py", "test_winter.py", "test_with_unittest.py"]
    assert write_files("testing.md", tmp_path) == ["shop.py", *tests, "try_shop.py"]
    return tmp_path


@pytest.mark.parametrize(
    "plugins",
    [
        pytest.param(("-p", "no:asyncio", "-p", "no:anyio"), id="neither"),
        pytest.param(("-o", "asyncio_mode=auto"), id="asyncio"),
        pytest.param(("-o", "asyncio_mode=strict"), id="strict"),
        pytest.param(("-p", "no:asyncio", "-o", "anyio_mode=auto"), id="anyio"),
    ],
)
def test_the_tests_pass_whoever_runs_them(shop: Path, plugins: tuple[str, ...]) -> None:
    """With pytest-asyncio, with anyio and without either."""
    done = run_python(shop, "-m", "pytest", "-q", *plugins, "test_shop.py", "test_winter.py")
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_unittest_and_the_context_manager(shop: Path) -> None:
    """Both ways without pytest."""
    done = run_python(shop, "-m", "unittest", "test_with_unittest")
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr
    printed = run_python(shop, "try_shop.py")
    assert "\nlate 20" in printed.stdout, printed.stderr
