"""Options of the whole suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the suites that repeat themselves be given more time than a common run of all tests has."""
    parser.addoption(
        "--rounds", type=int, metavar="N", help="how often each crash test kills workers (default: a few times)"
    )


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a crash test repeats itself."""
    return request.config.getoption("--rounds") or 4
