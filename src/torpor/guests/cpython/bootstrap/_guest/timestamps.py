"""Timestamps, epoch milliseconds: as datetimes, and as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

LATEST = 2**53 - 1
"""The last moment that all sides can write, epoch milliseconds: in 285 000 years. What is due later is due then."""


def datetime_of(at: int) -> datetime:
    """Return epoch milliseconds as an aware datetime."""
    return _EPOCH + at * _MS


def as_text(at: int) -> str:
    """Return epoch milliseconds as ISO 8601 text; a moment beyond the year 9999 as its number."""
    try:
        return datetime_of(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return f"{at} ms"
