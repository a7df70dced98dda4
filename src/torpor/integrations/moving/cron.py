"""
Cron expressions of others, in the words of Debian's cron.

The same five stars mean other things to others: to Celery and APScheduler a job with a day of the month *and* a day of
the week runs when both hold, to cron when one of them does; APScheduler's week begins on Monday with 0. What cron
cannot say is refused, never rounded.
"""

from __future__ import annotations

import re
from typing import Final

from torpor.errors import ConfigurationError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PART: Final = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")


def expression(minute: str, hour: str, day: str, month: str, weekday: str, second: str = "") -> str:
    """
    Return a cron expression, with seconds before it when there are any.

    Raises:
        ConfigurationError: it has both a day of the month and a day of the week.
    """
    if day != "*" and weekday != "*":
        raise ConfigurationError(
            "it has a day of the month and a day of the week, and runs when both hold; cron runs when one does. "
            "Schedule one of them, and look at the other in the workflow (slot_as=)"
        )
    return " ".join([second] * bool(second) + [minute, hour, day, month, weekday])


def weekdays_from_monday(text: str) -> str:
    """
    Return days of the week, counted from Monday with 0 or named, by name.

    Raises:
        ConfigurationError: they are something else, such as ``last``.
    """
    if text == "*":
        return text
    days: set[int] = set()
    for part in text.lower().split(","):
        matched = _PART.fullmatch(part)
        if matched is None:
            raise ConfigurationError(f"{text!r} is no day of the week that cron knows")
        first = 0 if matched["first"] is None else _number(matched["first"], text)
        last = 6 if part.startswith("*") or (matched["step"] and not matched["last"]) else first
        if matched["last"]:
            last = _number(matched["last"], text)
        days |= set(range(first, last + 1, int(matched["step"] or 1)))
    return ",".join(WEEKDAYS[day] for day in sorted(days))


def from_first(text: str, highest: int) -> str:
    """Return a field in which a number with a step goes on to the field's end, as ``5/10`` does to APScheduler."""
    return re.sub(r"(?<![-\w])(\d+)/(\d+)", rf"\1-{highest}/\2", text)


def _number(day: str, text: str) -> int:
    found = WEEKDAYS.index(day) if day in WEEKDAYS else int(day) if day.isdecimal() else 7
    if found > 6:
        raise ConfigurationError(f"{text!r} is no day of the week that cron knows")
    return found
