"""Options of the whole suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suites that repeat themselves be given more time than a common run of all tests has."""
    parser.addoption(
        "--rounds", type=int, metavar="N", help="how often each crash test kills workers (default: a few times)"
    )


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """Take back what a test adds to the import path, as applications that are loaded do; processes would inherit it."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a crash test repeats itself."""
    return request.config.getoption("--rounds") or 4
