"""
Dates, times and durations in texts and numbers, as pydantic reads them: ISO 8601 with some freedom, and Unix time.

What cannot be read is a :class:`Unreadable` with pydantic's words for it.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Final

from .values import UTC, TzInfo

SECONDS_MAX: Final = 20_000_000_000
"""Unix time beyond this is in milliseconds."""

INT64: Final = 2**63
_YEAR_0 = -62_167_219_200
_YEAR_9999 = 253_402_300_799
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # arithmetic without time zones
_INT = re.compile(r"[+-]?([0-9]+)")
_FLOAT = re.compile(r"[+-]?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?")


class Unreadable(ValueError):  # noqa: N818  # internal
    """A text or number is no date, time or duration."""


class YearZero(Unreadable):
    """A text or number is a date that Python does not have."""

    def __init__(self) -> None:
        super().__init__("year 0 is out of range")


def size_of(text: str) -> int:
    """Return how many bytes a text has; those that were no text when it was read count too."""
    return len(text.encode("utf-8", "surrogateescape"))


class _Reader:
    """A text, read from left to right."""

    def __init__(self, text: str, at: int = 0) -> None:
        self.text, self.at = text, at

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def two(self, problem: str) -> int:
        """Take two digits."""
        digits = self.text[self.at : self.at + 2]
        if len(digits) < 2 or not (digits.isascii() and digits.isdigit()):
            raise Unreadable(problem)
        self.at += 2
        return int(digits)


def integer(text: str) -> int | None:
    """Return the number of 64 bits that a text is; None if it is none."""
    found = _INT.fullmatch(text)
    if found is None or int(found[1]) >= INT64:
        return None
    return int(text)


def _fractional(text: str) -> float | None:
    return float(text) if _FLOAT.fullmatch(text) else None


def date_of_text(text: str, unit: str = "infer") -> dt.date:
    """Return the date that a text is."""
    try:
        found = _date(text)
        if size_of(text) > 10:
            raise Unreadable("unexpected extra characters at the end of the input")
    except YearZero:
        raise
    except Unreadable as problem:
        number = integer(text)
        if number is None:
            raise Unreadable(str(problem)) from None
        return _date_of_timestamp(number, unit)
    return found


def _date_of_timestamp(number: int, unit: str) -> dt.date:
    moment = moment_of_number(number, 0, unit)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        raise Unreadable("Timestamp is not an exact date")
    return moment.date()


def _date(text: str) -> dt.date:
    if size_of(text) < 10:
        raise Unreadable("input is too short")
    for places, name in ((range(4), "year"), ((4,), ""), ((5, 6), "month"), ((7,), ""), ((8, 9), "day")):
        part = "".join(text[place : place + 1] for place in places)
        if not name and part != "-":
            raise Unreadable("invalid date separator, expected `-`")
        if name and not (part.isascii() and part.isdigit() and len(part) == len(places)):
            raise Unreadable(f"invalid character in {name}")
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if not 1 <= month <= 12:
        raise Unreadable("month value is outside expected range of 1-12")
    longest = 31 - (month in (4, 6, 9, 11))
    if month == 2:
        longest = 29 if (year % 4 == 0 and year % 100) or year % 400 == 0 else 28
    if not 1 <= day <= longest:
        raise Unreadable("day value is outside expected range")
    if year == 0:
        raise YearZero
    return dt.date(year, month, day)


def time_of_text(text: str, *, is_exact: bool = False) -> dt.time:
    """Return the time of day that a text is; *is_exact* tells whether more than microseconds are an error."""
    return _time_and_zone(_Reader(text), is_exact)


def clock_of_text(text: str, *, is_exact: bool) -> tuple[int, int, int, int]:
    """Return hour, minute, second and microsecond of a text without a zone."""
    reader = _Reader(text)
    clock = _pure_time(reader, is_exact)
    if reader.at < len(reader.text):
        raise Unreadable("unexpected extra characters at the end of the input")
    return clock


def _time_and_zone(reader: _Reader, is_exact: bool) -> dt.time:
    hour, minute, second, microsecond = _pure_time(reader, is_exact)
    zone = _zone(reader)
    if reader.at < len(reader.text):
        raise Unreadable("unexpected extra characters at the end of the input")
    return dt.time(hour, minute, second, microsecond, tzinfo=zone)


def _pure_time(reader: _Reader, is_exact: bool) -> tuple[int, int, int, int]:
    if size_of(reader.text[reader.at :]) < 5:
        raise Unreadable("input is too short")
    hour = reader.two("invalid character in hour")
    if reader.peek() != ":":
        raise Unreadable("invalid time separator, expected `:`")
    reader.at += 1
    minute = reader.two("invalid character in minute")
    if hour > 23:
        raise Unreadable("hour value is outside expected range of 0-23")
    if minute > 59:
        raise Unreadable("minute value is outside expected range of 0-59")
    if reader.peek() != ":":
        return hour, minute, 0, 0
    reader.at += 1
    second = reader.two("invalid character in second")
    if second > 59:
        raise Unreadable("second value is outside expected range of 0-59")
    if reader.peek() not in (".", ","):
        return hour, minute, second, 0
    reader.at += 1
    digits = _digits(reader)
    if not digits:
        raise Unreadable("second fraction digits missing after `.`")
    if is_exact and len(digits) > 6:
        raise Unreadable("second fraction value is more than 6 digits long")
    return hour, minute, second, int(digits[:6].ljust(6, "0"))


def _digits(reader: _Reader) -> str:
    start = reader.at
    while reader.peek() and reader.peek() in "0123456789":
        reader.at += 1
    return reader.text[start : reader.at]


def _zone(reader: _Reader) -> TzInfo | None:
    sign = reader.peek()
    if not sign:
        return None
    reader.at += 1
    if sign in "Zz":
        return UTC
    if sign not in "+-\u2212":
        raise Unreadable("invalid timezone sign")
    hours = reader.two("invalid timezone hour")
    if reader.peek() == ":":
        reader.at += 1
    minutes = reader.two("invalid timezone minute")
    if minutes > 59:
        raise Unreadable("timezone minute value is outside expected range of 0-59")
    seconds = hours * 3600 + minutes * 60
    if seconds >= 86_400:
        raise Unreadable("timezone offset must be less than 24 hours")
    return TzInfo(seconds if sign == "+" else -seconds) if seconds else UTC


def moment_of_text(text: str, unit: str = "infer", *, is_exact: bool = False) -> dt.datetime:
    """Return the date and time that a text is."""
    try:
        day = _date(text)
        if text[10:11] not in ("T", "t", " ", "_"):
            raise Unreadable("invalid datetime separator, expected `T`, `t`, `_` or space")
        return dt.datetime.combine(day, _time_and_zone(_Reader(text, 11), is_exact))
    except YearZero:
        raise
    except Unreadable as problem:
        words = str(problem)
    if (number := integer(text)) is not None:
        return moment_of_number(number, 0, unit)
    if (fraction := _fractional(text)) is None:
        raise Unreadable(words)
    is_in_milliseconds = abs(fraction) > SECONDS_MAX
    if is_exact:
        places = len(text.partition(".")[2])
        if places > (3 if is_in_milliseconds else 6):
            word, most = ("millisecond", 3) if is_in_milliseconds else ("second", 6)
            raise Unreadable(f"{word} fraction value is more than {most} digits long")
    return moment_of_float(fraction, unit)


def _rounded(number: float) -> int:
    """Return the nearest integer of a number that is not negative, of two the greater one."""
    return math.floor(number + 0.5)


def moment_of_number(number: int, microseconds: int, unit: str = "infer") -> dt.datetime:
    """Return the date and time of Unix time."""
    if number <= -INT64:
        raise Unreadable("dates before 0000 are not supported as unix timestamps")
    if unit == "milliseconds" or (unit == "infer" and abs(number) > SECONDS_MAX):
        number, thousandths = divmod(number, 1000)
        microseconds += thousandths * 1000
    number, microseconds = number + microseconds // 1_000_000, microseconds % 1_000_000
    if number < _YEAR_0:
        raise Unreadable("dates before 0000 are not supported as unix timestamps")
    if number > _YEAR_9999:
        raise Unreadable("dates after 9999 are not supported as unix timestamps")
    try:
        return (_EPOCH + dt.timedelta(seconds=number, microseconds=microseconds)).replace(tzinfo=UTC)
    except OverflowError:
        raise YearZero from None


def moment_of_float(number: float, unit: str = "infer") -> dt.datetime:
    """Return the date and time of Unix time."""
    if math.isnan(number):
        raise Unreadable("NaN values not permitted")
    if math.isinf(number):
        return moment_of_number(_clamped(number), 0, unit)
    is_in_milliseconds = unit == "milliseconds" or (unit == "infer" and abs(number) > SECONDS_MAX)
    whole = math.floor(number)
    microseconds = _rounded((number - whole) * (1000 if is_in_milliseconds else 1_000_000))
    return moment_of_number(_clamped(whole), microseconds, unit)


def _clamped(number: float) -> int:
    """Return the whole part of a number, within 64 bits."""
    if math.isinf(number) or abs(number) >= INT64:
        return INT64 - 1 if number > 0 else -INT64
    return math.floor(number)


def time_of_number(number: float) -> dt.time:
    """Return the time of day after some seconds."""
    microseconds = 0
    if isinstance(number, float):
        if math.isnan(number):
            raise Unreadable("NaN values not permitted")
        fraction = abs(math.modf(number)[0]) if math.isfinite(number) else 0.0
        number, microseconds = _clamped(number), _rounded(fraction * 1_000_000)
    if number < 0:
        raise Unreadable("time in seconds should be positive")
    number, microseconds = int(number) + microseconds // 1_000_000, microseconds % 1_000_000
    if number >= 86_400:
        raise Unreadable("numeric times may not exceed 86,399 seconds")
    return dt.time(number // 3600, number // 60 % 60, number % 60, microseconds, tzinfo=UTC)
