"""Options of the whole suite."""

from __future__ import annotations

import compileall
import gc
import http.client  # noqa: F401  # before pytest loads tests/http, which it would take for a part of it
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).parent.parent
NOT_PLUGINS_OF_USERS = ("faker", "hypothesispytest", "langsmith_plugin", "schemathesis")
"""What packages that these tests need put into every pytest, which takes seconds to load it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a run of the tests take more time than it commonly does."""
    parser.addoption(
        "--rounds", type=int, metavar="N", help="how often each crash test kills workers (default: a few times)"
    )
    parser.addoption(
        "--every-world",
        action="store_true",
        help="test what workflows do in each guest and runtime on each world",
    )
    parser.addoption("--world", choices=["postgres", "redis"], help="test what workflows do on one kind of world alone")
    parser.addoption("--long", action="store_true", help="test also what takes long; `-m long` tests nothing else")
    parser.addoption("--full", action="store_true", help="test the full Python guest, too; it is compiled once")


def pytest_configure(config: pytest.Config) -> None:
    """
    Put what the build puts there in place, for checkouts that want other things since they were installed.

    And byte code, once for the thousands of processes that tests start: where Python is told to write none, as in many
    containers, each would compile all that it imports of Torpor, which is half of what its start costs.
    """
    hatch_build.put_files(ROOT)
    if not hasattr(config, "workerinput"):  # the other processes of pytest find it
        compileall.compile_dir(ROOT / "src" / "torpor", quiet=2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """
    Load the tests without looking for garbage, and never look through them afterwards, nor through what they import.

    It is a million objects, which stay. What the tests are compiled to is kept for the next run, even where Python is
    told to write no byte code.
    """
    writes_none = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        sys.dont_write_bytecode = writes_none


@pytest.fixture(scope="session", autouse=True)
def plugins_of_users() -> Iterator[None]:
    """Let pytests that tests start, in projects of users, have the plugins that users have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in NOT_PLUGINS_OF_USERS))
        yield


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """Take back what a test adds to the import path, as applications that are loaded do; processes would inherit it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the full Python guest, and what takes long, unless it is asked for."""
    unwanted = [name for name in ("full", "long") if not config.getoption(f"--{name}")]
    left_out = [item for item in items if any(map(item.get_closest_marker, unwanted))]
    if left_out:
        names = {item.nodeid for item in left_out}
        items[:] = [item for item in items if item.nodeid not in names]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a crash test repeats itself."""
    return request.config.getoption("--rounds") or 4
