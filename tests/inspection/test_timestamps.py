"""Times, spans and sizes as text."""

from __future__ import annotations

import pytest

from torpor.inspection.timestamps import bytes_text, clock_text, iso, span_text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.00 s"),
        (59_990, "59.99 s"),
        (60_000, "1m"),
        (200_000, "3m 20s"),
        (3_600_000, "1h"),
        (1_900, "1.90 s"),
        (59_996, "1m"),
        (599_999, "10m"),
        (5_430_000, "1h 31m"),
        (2 * 86_400_000 + 86_399_000, "3d"),
        (90_000_000, "1d 1h"),
        (40 * 86_400_000, "40d"),
        (-1_500, "-1.50 s"),
    ],
)
def test_spans(ms: int, text: str) -> None:
    """A span has at most two units, and is rounded to the nearest."""
    assert span_text(ms) == text


def test_times() -> None:
    """Times are UTC; what has not happened, and what no calendar has, is none."""
    assert iso(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert clock_text(1_700_000_000_123) == "2023-11-14 22:13:20Z"
    assert iso(0) is None
    assert iso(10**18) is None
    assert clock_text(0) == "-"


def test_sizes() -> None:
    """Sizes have the unit that fits."""
    assert [bytes_text(size) for size in (0, 1023, 1536, 5 * 2**20, 3 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]
