"""Converters to the types that JavaScript writes as text or as a number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from torpor.codec.types.datetimes import zone_named
from torpor.codec.typing.conversion import Converter, unfit
from torpor.durations import milliseconds
from torpor.errors import UsageError

_UNFIT = (ValueError, TypeError, ArithmeticError, UsageError)

Ways = dict[type, Callable[[Any], Any]]
"""Class of a value → what makes the wanted type of it. A subclass, such as bool for int, is not meant."""


def _scalar(cls: type, expected: str, ways: Ways) -> Converter:
    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        way = ways.get(type(value))
        if way is None:
            raise unfit(expected, value)
        try:
            return way(value)
        except _UNFIT as error:
            raise unfit(expected, value, str(error)) from None

    return convert


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError("it is no whole number")
    return int(value)


def _duration(text: str) -> timedelta:
    return timedelta(milliseconds=milliseconds(text))


def _date(value: Any) -> date:
    # What JavaScript has for a date is a Date: the first moment of it, in UTC.
    if type(value) is datetime and value.tzinfo is UTC and value.time() == time():
        return value.date()
    read: date = _date_from_text(value)
    return read


_date_from_text = _scalar(date, "a date such as 2024-05-06", {str: date.fromisoformat})


def _path(cls: type[PurePath]) -> Converter:
    return _scalar(cls, f"a {cls.__name__} or its text", {str: cls})


SCALARS: dict[Any, Converter] = {
    bool: _scalar(bool, "bool", {}),
    int: _scalar(int, "int", {float: _whole}),
    float: _scalar(float, "float", {int: float}),
    complex: _scalar(complex, "complex", {int: complex, float: complex}),
    str: _scalar(str, "str", {}),
    bytes: _scalar(bytes, "bytes", {bytearray: bytes, memoryview: bytes}),
    bytearray: _scalar(bytearray, "bytes", {bytes: bytearray}),
    datetime: _scalar(datetime, "a datetime in ISO 8601", {str: datetime.fromisoformat}),
    date: _date,
    time: _scalar(time, "a time such as 12:30:00", {str: time.fromisoformat}),
    timedelta: _scalar(
        timedelta,
        "a timedelta, seconds, or text such as '1h 30m'",
        {str: _duration, int: lambda seconds: timedelta(seconds=seconds), float: lambda seconds: timedelta(0, seconds)},
    ),
    Decimal: _scalar(
        Decimal, "a Decimal or its text", {str: Decimal, int: Decimal, float: lambda number: Decimal(repr(number))}
    ),
    UUID: _scalar(UUID, "a UUID or its text", {str: UUID}),
    ZoneInfo: _scalar(ZoneInfo, "a time zone such as Europe/Berlin", {str: zone_named}),
    **{
        cls: _scalar(cls, f"an {cls.__name__} or its text", {str: cls})
        for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
    },
    **{cls: _path(cls) for cls in (Path, PurePath, PurePosixPath, PureWindowsPath)},
}
"""Type → converter to it."""


def enum_converter(cls: type[Enum]) -> Converter:
    """Return the converter to an enumeration: by value, else by name."""
    expected = f"{cls.__qualname__} ({', '.join(map(repr, (member.value for member in cls)))})"
    is_flag = issubclass(cls, Flag)

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        for member in cls:
            if type(member.value) is type(value) and member.value == value:
                return member
        if isinstance(value, str) and value in cls.__members__:
            return cls[value]
        if is_flag and type(value) is int:
            try:
                return cls(value)
            except ValueError as error:
                raise unfit(expected, value, str(error)) from None
        raise unfit(expected, value)

    return convert
