"""Times, spans and sizes as people read them; all times are epoch milliseconds, spans milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def iso(at: int) -> str | None:
    """Return ISO 8601 in UTC with milliseconds, None for a time that is not there (0) or that no calendar has."""
    if at == 0:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def clock_text(at: int) -> str:
    """Return date and time in UTC for a table, ``-`` for none."""
    text = iso(at)
    return "-" if text is None else f"{text[:10]} {text[11:19]}Z"


def time_text(at: int) -> str:
    """Return the time of day in UTC with milliseconds."""
    text = iso(at)
    return "-" if text is None else text[11:23]


def span_text(ms: int) -> str:
    """Return a span, rounded to at most two units, such as ``340 ms``, ``2.41 s``, ``3m 20s`` or ``2d 4h``."""
    if ms < 0:
        return f"-{span_text(-ms)}"
    if ms < _SECOND:
        return f"{ms} ms"
    if _rounded(ms, 10) < _MINUTE:
        return f"{_rounded(ms, 10) / _SECOND:.2f} s"
    if _rounded(ms, _SECOND) < _HOUR:
        return _two_units(_rounded(ms, _SECOND), _MINUTE, "m", _SECOND, "s")
    if _rounded(ms, _MINUTE) < _DAY:
        return _two_units(_rounded(ms, _MINUTE), _HOUR, "h", _MINUTE, "m")
    return _two_units(_rounded(ms, _HOUR), _DAY, "d", _HOUR, "h")


def ordinal(n: int) -> str:
    """Return a place in a row: ``first``, ``second``, ``third``, ``4th``, ``21st``."""
    words = {1: "first", 2: "second", 3: "third"}
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return words.get(n, f"{n}{ending}")


def _rounded(ms: int, unit: int) -> int:
    """Return a span rounded to whole units, a half up: 2d 23h 59m is three days to a reader, not two."""
    return (ms + unit // 2) // unit * unit


def _two_units(ms: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = ms % large // small
    return f"{ms // large}{large_name}" + (f" {rest}{small_name}" if rest else "")


def bytes_text(count: int) -> str:
    """Return a size such as ``512 B``, ``2.3 KiB`` or ``261.0 MiB``."""
    if count < 1024:
        return f"{count} B"
    size = count / 1024
    for unit in ("KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
