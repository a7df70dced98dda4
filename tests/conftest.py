"""Options of the whole suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).parent.parent


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
    parser.addoption("--on-postgres", action="store_true", help="test what workflows do on a world in Postgres alone")
    parser.addoption("--full", action="store_true", help="test the full Python guest, too; it is compiled once")


def pytest_configure() -> None:
    """Put what the build puts there in place, for checkouts that want other things since they were installed."""
    hatch_build.put_files(ROOT)


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """Take back what a test adds to the import path, as applications that are loaded do; processes would inherit it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the full Python guest, unless it is asked for."""
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a crash test repeats itself."""
    return request.config.getoption("--rounds") or 4
