"""
Durations as people write them: ``"1h 30m"``, ``"2.5 days"``, ``"500ms"``.

The grammar is the Workflow SDK's: numbers with a unit (ms, s, m, h, d, w, y or their long names), one or more of them.
A year has 365.25 days, as in the npm package ``ms``.
"""

from __future__ import annotations

import re
from datetime import timedelta

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
_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)\s*,?", re.IGNORECASE)

Duration = float | str | timedelta
"""Seconds, text such as ``"1h 30m"``, or a timedelta."""


def milliseconds(duration: Duration) -> int:
    """
    Return a duration in milliseconds.

    Raises:
        ValueError: the text does not follow the grammar, or the duration is negative or not finite.
    """
    if isinstance(duration, str):
        return _parsed(duration)
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"duration {duration!r} is not a time from now on; give seconds ≥ 0, a timedelta or '1h 30m'")
    return round(seconds * 1000)


def _parsed(text: str) -> int:
    at, total = 0, 0.0
    while at < len(text) and (part := _PART.match(text, at)):
        unit = _MS_PER_UNIT.get(part[2].lower())
        if unit is None:
            break
        total += float(part[1]) * unit
        at = part.end()
    if at == 0 or text[at:].strip():
        raise ValueError(f"duration {text!r} is not understood; write it like '500ms', '30s', '1h 30m' or '2.5 days'")
    return round(total)
