"""Limits that cannot be are refused when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from torpor.errors import ConfigurationError
from torpor.vm.limits import Limits


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"memory_bytes": 0}, "not a positive multiple of 65536"),
        ({"memory_bytes": 1_000_000}, "not a positive multiple of 65536"),
        ({"memory_bytes": 1 << 30}, "more than a snapshot may hold"),
        ({"cpu_seconds": 0}, "leaves no time to run"),
        ({"output_bytes": 0}, "leaves no room"),
    ],
)
def test_impossible_limits_are_refused(setting: dict[str, Any], complaint: str) -> None:
    """
    Each rule has its own message.
    """
    with pytest.raises(ConfigurationError, match=complaint):
        Limits(**setting)


def test_the_defaults_are_allowed() -> None:
    """
    A limit of nothing in particular is 64 MiB, ten seconds and 16 MiB.
    """
    assert Limits() == Limits(memory_bytes=64 << 20, cpu_seconds=10.0, output_bytes=16 << 20)
