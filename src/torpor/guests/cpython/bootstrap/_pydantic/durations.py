"""Durations in texts and numbers, as pydantic reads them: ISO 8601, ``3 days, 1:02:03`` and seconds."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from .clock_text import Unreadable, clock_of_text, size_of

_UINT32: Final = 2**32
_NUMBER = re.compile(r"([0-9]+)(?:[.,]([0-9]*))?")
_DATE_UNITS: Final = {"Y": 365, "M": 30, "W": 7, "D": 1}
_TIME_UNITS: Final = {"H": 3600, "M": 60, "S": 1}


def duration_of_text(text: str, *, is_exact: bool = False) -> dt.timedelta:
    """Return the duration that a text is; *is_exact* tells whether more than microseconds are an error."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if not rest:
        raise Unreadable("input is too short")
    if rest.startswith("P"):
        days, seconds, microseconds = _iso(rest[1:])
    elif "d" in rest or "D" in rest or size_of(rest) < 5:
        days, seconds, microseconds = _days_and_time(rest, is_exact)
    else:
        days, seconds, microseconds = _clock(rest, is_exact)
    return made(sign, days, seconds, microseconds)


def duration_of_number(number: float) -> dt.timedelta:
    """Return the duration of some seconds."""
    microseconds = 0
    if isinstance(number, float):
        if math.isnan(number):
            raise Unreadable("NaN values not permitted")
        if math.isinf(number):
            return made(1 if number > 0 else -1, _UINT32 - 1, 0, 0)
        fraction, _ = math.modf(abs(number))
        microseconds = math.floor(fraction * 1_000_000 + 0.5)
        sign, days, seconds = 1 if number >= 0 else -1, int(abs(number) / 86_400), int(abs(number)) % 86_400
        return made(sign, min(days, _UINT32 - 1), seconds, microseconds)
    days, seconds = divmod(abs(number), 86_400)
    return made(1 if number >= 0 else -1, days, seconds, microseconds)


def made(sign: int, days: int, seconds: int, microseconds: int) -> dt.timedelta:
    """Return a duration of its parts, of which none is negative."""
    seconds, microseconds = seconds + microseconds // 1_000_000, microseconds % 1_000_000
    days, seconds = days + seconds // 86_400, seconds % 86_400
    if days > 999_999_999:
        raise Unreadable("durations may not exceed 999,999,999 days")
    return sign * dt.timedelta(days, seconds, microseconds)


def _iso(text: str) -> tuple[int, int, int]:
    is_time, had_fraction, at = False, False, 0
    days, seconds, microseconds = 0, 0, 0
    while at < len(text):
        if text[at] == "T":
            if is_time:
                raise Unreadable("`t` character repeated in duration")
            is_time = True
            at += 1
            continue
        found = _NUMBER.match(text, at)
        if found is None:
            raise Unreadable("invalid digit in duration")
        value = _bounded(int(found[1]))
        if had_fraction:
            raise Unreadable("quantity fraction invalid in duration")
        had_fraction, at = found[2] is not None, found.end()
        unit = (_TIME_UNITS if is_time else _DATE_UNITS).get(text[at : at + 1])
        if unit is None:
            raise Unreadable(f"quantity invalid in {'time' if is_time else 'date'} part of duration")
        at += 1
        extra = _fraction(found[2] or "") * unit if had_fraction else 0.0
        if is_time:
            seconds = _bounded(seconds + _bounded(value * unit))
        else:
            days = _bounded(days + _bounded(value * unit) + int(extra))
            extra = (extra - int(extra)) * 86_400.0
        seconds = _bounded(seconds + int(extra))
        microseconds = _bounded(microseconds + math.floor((extra - int(extra)) * 1_000_000 + 0.5))
    if at < 2:
        raise Unreadable("input is too short")
    return days, seconds, microseconds


def _fraction(digits: str) -> float:
    number, divisor = 0.0, 1.0
    for digit in digits:
        number, divisor = number * 10.0 + int(digit), divisor * 10.0
    return number / divisor


def _bounded(number: int) -> int:
    if number >= _UINT32:
        raise Unreadable("a numeric value in the duration is too large")
    return number


def _days_and_time(text: str, is_exact: bool) -> tuple[int, int, int]:
    found = re.match(r"[0-9]+", text)
    if found is None:
        raise Unreadable("invalid digit in duration")
    days, rest = _bounded(int(found.group())), text[found.end() :]
    unit = re.match(r" ?[dD]", rest)
    if unit is None:
        raise Unreadable('"day" identifier in duration not correctly formatted')
    rest = rest[unit.end() :]
    word = re.match(r"ays?|AYS?", rest)
    if word is not None:
        rest = rest[word.end() :]
    elif rest.startswith(("a", "A")):
        raise Unreadable('"day" identifier in duration not correctly formatted')
    separator = re.match(r", |,| ", rest)
    rest = rest[separator.end() :] if separator else rest
    if not rest:
        return days, 0, 0
    more, seconds, microseconds = _clock(rest, is_exact)
    if more > 0:
        raise Unreadable("durations may not exceed 999,999,999 hours")
    return days, seconds, microseconds


def _clock(text: str, is_exact: bool) -> tuple[int, int, int]:
    if size_of(text) < 5:
        raise Unreadable("input is too short")
    hours, colon, rest = text.partition(":")
    if not colon:
        raise Unreadable("invalid character in hour")
    if size_of(hours) > 10:
        raise Unreadable("durations may not exceed 999,999,999 hours")
    if hours.strip("0123456789"):
        raise Unreadable("invalid character in hour")
    if int(hours or "0") > 24 * 10**8:
        raise Unreadable("durations may not exceed 999,999,999 hours")
    if size_of(rest) > 12:
        if is_exact:
            raise Unreadable("second fraction value is more than 6 digits long")
        rest = rest.encode("utf-8", "surrogateescape")[:12].decode("utf-8", "surrogateescape")
    _, minute, second, microsecond = clock_of_text(f"00:{rest}", is_exact=is_exact)
    days, hour = divmod(int(hours or "0"), 24)
    return days, hour * 3600 + minute * 60 + second, microsecond
