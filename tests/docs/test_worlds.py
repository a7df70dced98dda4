"""``docs/worlds.md``, followed in an empty directory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files
from torpor.worlds import _SCHEMES

_PYTEST = ("-m", "pytest", "-q", "-o", "asyncio_mode=auto")
_FORGETS = '''
    async def put_blob(self, key: str, data: bytes) -> None:
        """Store nothing."""
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with the files of the page."""
    assert write_files("worlds.md", tmp_path) == [
        "counting_world.py", "shop.py", "test_counting_world.py", "test_alike.py",
    ]  # fmt: skip
    return tmp_path


def test_the_page_names_the_schemes_that_there_are() -> None:
    """Its table says no URL that opens nothing."""
    named = re.findall(r"^\| `([a-z+]+)://", (DOCS / "worlds.md").read_text("utf-8"), re.MULTILINE)
    assert named
    assert set(named) <= set(_SCHEMES)


def test_an_application_runs_on_a_world_of_its_own(folder: Path) -> None:
    """It says what the page says that it says."""
    done = run_python(folder, "shop.py")
    assert (done.returncode, done.stdout) == (0, "order 1 is on its way\nruns created: 1\n"), done.stderr


@pytest.mark.long
def test_the_suite_and_the_histories_pass_on_it(folder: Path) -> None:
    """Three of the groups, one for each fixture that the page gives; all are collected."""
    some = "TestBlobsSuite or TestLifeSuite or TestTransactionsSuite or alike"
    done = run_python(folder, *_PYTEST, "-k", some, "test_counting_world.py", "test_alike.py")
    assert done.returncode == 0, done.stdout
    counted = re.search(r"(\d+) passed, (\d+) deselected", done.stdout)
    assert counted is not None, done.stdout
    assert int(counted[1]) + int(counted[2]) > 700


def test_the_suite_finds_a_world_that_forgets(folder: Path) -> None:
    """As somebody who writes one would see it."""
    with (folder / "counting_world.py").open("a", encoding="utf-8") as file:
        file.write(_FORGETS)
    done = run_python(folder, *_PYTEST, "-x", "-k", "TestBlobsSuite", "test_counting_world.py")
    assert done.returncode == 1, done.stdout
    assert "TestBlobsSuite::" in done.stdout
