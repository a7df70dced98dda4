"""
Times as people write them: ``"1h 30m"``, ``"2.5 days"``, ``"500ms"``, ``"2026-11-21T17:30:00Z"``.

The grammar of durations is the Workflow SDK's: numbers with a unit (ms, s, m, h, d, w, y or their long names), one or
more of them, behind a minus for the past. A year has 365.25 days, as in the npm package ``ms``. The JavaScript guest
has the same grammars in ``duration.js``.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

_SECOND = 1_000
_DAY = 86_400 * _SECOND
_MS_PER_UNIT = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60 * _SECOND),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600 * _SECOND),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * _DAY),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), int(365.25 * _DAY)),
}
_MINUS = re.compile(r"\s*-")
_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)\s*,?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)", re.ASCII)

_RATE = re.compile(r"\s*(\d+)\s*/\s*(.*\S)\s*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

Duration = float | str | timedelta
"""Seconds, text such as ``"1h 30m"``, or a timedelta."""

When = Duration | datetime
"""A duration from now, or a moment: an aware datetime, or ISO 8601 text with a time zone."""


def milliseconds(duration: Duration) -> int:
    """
    Return a duration in milliseconds.

    Raises:
        ValueError: the text does not follow the grammar, or the duration is negative or not finite.
    """
    if isinstance(duration, str):
        ms = _parsed(duration)
    elif isinstance(duration, timedelta):
        ms = _whole(duration.total_seconds(), duration)
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        ms = _whole(duration, duration)
    else:
        told = f"{duration!r:.100} is no duration; give seconds, a timedelta or '1h 30m'"
        raise ValueError(told)  # noqa: TRY004  # as for texts that are none
    if ms < 0:
        raise ValueError(f"duration {duration!r} is not a time from now on; give seconds ≥ 0, a timedelta or '1h 30m'")
    return ms


def read_rate(rate: str | int) -> tuple[int, int]:
    """
    Return how much a rate is, such as ``"10/s"`` or ``"3/2h"``, and in how many milliseconds; 0 for none.

    Raises:
        ValueError: it is no rate.
    """
    if rate in (0, "0"):
        return 0, _SECOND
    found = _RATE.fullmatch(str(rate))
    if found is None:
        raise ValueError("it has no /")
    return int(found[1]), milliseconds(found[2] if found[2][0].isdigit() else f"1 {found[2]}")


def read_when(when: When) -> int | datetime:
    """
    Return a duration in milliseconds, which may be negative, or the moment that is meant instead.

    Raises:
        ValueError: it is neither, has no time zone, or is not finite.
    """
    if isinstance(when, str):
        text = when.strip().upper()
        return _moment(text, when) if _DATE.match(text) else _parsed(when)
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError(f"{when!r} has no time zone; give an aware datetime, such as datetime.now(UTC) + …")
        return when
    if isinstance(when, timedelta):
        return _whole(when.total_seconds(), when)
    if isinstance(when, int | float) and not isinstance(when, bool):
        return _whole(when, when)
    raise ValueError(f"{when!r} is no time; give seconds, '1h 30m', a timedelta, or an aware datetime")


def due_at(when: When, now: int) -> int:
    """
    Return when something is due that begins *now*, both in epoch milliseconds; what has passed was due before now.

    Raises:
        ValueError: as :func:`read_when`.
    """
    read = read_when(when)
    return now + read if isinstance(read, int) else milliseconds_at(read)


def milliseconds_at(moment: datetime) -> int:
    """Return the first whole millisecond since the epoch that is not before an aware datetime."""
    return -((_EPOCH - moment) // _MS)


def _whole(seconds: float, duration: Duration) -> int:
    if not abs(seconds) < math.inf:  # nor is NaN
        raise ValueError(f"duration {duration!r} has no end; give seconds, a timedelta or '1h 30m'")
    return round(seconds * 1000)


def _moment(text: str, given: str) -> datetime:
    wrong = f"{given!r} is no moment; write it with time and zone, such as '2026-11-21T17:30:00Z'"
    if not _MOMENT.fullmatch(text):
        raise ValueError(wrong)
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:  # the 30th of February, for instance
        raise ValueError(f"{wrong} ({error})") from None


def _parsed(text: str) -> int:
    minus = _MINUS.match(text)
    first = at = minus.end() if minus else 0
    total = 0.0
    while at < len(text) and (part := _PART.match(text, at)):
        unit = _MS_PER_UNIT.get(part[2].lower())
        if unit is None:
            break
        total += float(part[1]) * unit
        at = part.end()
    if at == first or text[at:].strip():
        raise ValueError(f"duration {text!r} is not understood; write it like '500ms', '30s', '1h 30m' or '2.5 days'")
    return round(-total if minus else total)
