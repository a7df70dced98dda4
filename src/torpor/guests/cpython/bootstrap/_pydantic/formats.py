"""What stands in JSON for values that it has no type for."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from typing import Any

from .rendering import plain_number
from .serializing import Formats

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def time_text(time: dt.time, offset: dt.timedelta | None) -> str:
    """Return a time of day in ISO 8601, with its distance from UTC."""
    text = f"{time.hour:02}:{time.minute:02}:{time.second:02}"
    return text + (f".{time.microsecond:06}" if time.microsecond else "") + zone_text(offset)


def zone_text(offset: dt.timedelta | None) -> str:
    """Return a distance from UTC as it ends a time."""
    if offset is None:
        return ""
    seconds = round(offset.total_seconds())
    if seconds == 0:
        return "Z"
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def moment_text(moment: dt.datetime) -> str:
    """Return a date and time in ISO 8601."""
    return f"{date_text(moment)}T{time_text(moment.timetz(), moment.utcoffset())}"


def date_text(date: dt.date) -> str:
    """Return a date in ISO 8601."""
    return f"{date.year:04}-{date.month:02}-{date.day:02}"


def duration_text(duration: dt.timedelta) -> str:
    """Return a duration in ISO 8601, with years of 365 days."""
    sign, length = ("-", -duration) if duration.days < 0 else ("", duration)
    years, days = divmod(length.days, 365)
    text = f"{sign}P{f'{years}Y' if years else ''}{f'{days}D' if days else ''}"
    if not length:
        return f"{text}T0S"
    if not length.seconds and not length.microseconds:
        return text
    minutes, seconds = divmod(length.seconds, 60)
    text += f"T{f'{minutes // 60}H' if minutes >= 60 else ''}{f'{minutes % 60}M' if minutes % 60 else ''}"
    if seconds or length.microseconds:
        fraction = f".{length.microseconds:06}".rstrip("0") if length.microseconds else ""
        text += f"{seconds}{fraction}S"
    return text


def moment_json(moment: dt.datetime, mode: str) -> str | float:
    """Return what a date and time is in JSON."""
    if mode == "iso8601":
        return moment_text(moment)
    aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=dt.UTC)
    whole = (aware - _EPOCH) // dt.timedelta(seconds=1)
    if mode == "seconds":
        return float(whole) + moment.microsecond / 1_000_000.0
    return float(whole) * 1000.0 + moment.microsecond / 1000.0


def date_json(date: dt.date, mode: str) -> str | float:
    """Return what a date is in JSON."""
    if mode == "iso8601":
        return date_text(date)
    seconds = float((date.toordinal() - _EPOCH.toordinal()) * 86_400)
    return seconds if mode == "seconds" else seconds * 1000


def time_json(time: dt.time, mode: str) -> str | float:
    """Return what a time of day is in JSON."""
    if mode == "iso8601":
        return time_text(time, time.utcoffset())
    if mode == "seconds":
        return time.hour * 3600.0 + time.minute * 60.0 + time.second + time.microsecond / 1_000_000.0
    return time.hour * 3_600_000.0 + time.minute * 60_000.0 + time.second * 1000.0 + time.microsecond / 1000.0


def duration_json(duration: dt.timedelta, mode: str) -> str | float:
    """Return what a duration is in JSON."""
    if mode == "iso8601":
        return duration_text(duration)
    microseconds = duration // dt.timedelta(microseconds=1)
    return microseconds / (1_000_000.0 if mode == "seconds" else 1000.0)


def bytes_json(data: bytes, mode: str) -> str:
    """Return what bytes are in JSON."""
    if mode == "utf8":
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            start, end = error.start, error.end
        raise UnicodeDecodeError("utf-8", data, start, end, "invalid utf-8")
    return data.hex() if mode == "hex" else base64.urlsafe_b64encode(data).decode()


def complex_text(number: complex) -> str:
    """Return a complex number as text."""
    imaginary = f"{plain_number(number.imag)}j"
    if number.real == 0:
        return imaginary
    sign = "+" if number.imag != number.imag or not imaginary.startswith("-") else ""  # NaN
    return f"{plain_number(number.real)}{sign}{imaginary}"


def uuid_text(value: uuid.UUID) -> str:
    """Return a UUID as text."""
    return f"{uuid.UUID(int=value.int)}"


def key_text(value: str | float) -> str:
    """Return what stands for a value in the key of a JSON object."""
    return value if isinstance(value, str) else plain_number(value)


_TEMPORAL: tuple[tuple[type, Any], ...] = ((dt.datetime, moment_json), (dt.date, date_json), (dt.time, time_json))


def temporal_json(value: Any, formats: Formats) -> str | float | None:
    """Return what a date, time or duration is in JSON; None of any other value."""
    for cls, to_json in _TEMPORAL:
        if isinstance(value, cls):
            return to_json(value, formats.temporal)  # type: ignore[no-any-return]  # these do
    return duration_json(value, formats.timedelta) if isinstance(value, dt.timedelta) else None
