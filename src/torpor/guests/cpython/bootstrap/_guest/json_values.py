"""Values as JSON has them, in the forms that pydantic gives them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID


def plain(value: Any) -> Any:  # noqa: PLR0911  # one return a type
    """
    Return a value made of nothing but JSON's types.

    Raises:
        TypeError: a class that JSON has no form for.
    """
    match value:
        case None | bool() | int() | float():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return plain(value.value)
        case str():
            return str(value)
        case bytes():
            return value.decode()
        case datetime() | time():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return _iso_duration(value)
        case Decimal() | UUID() | PurePath():
            return str(value)
        case Mapping():
            return {_key(key): plain(member) for key, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(member) for member in value]
        case _:
            raise TypeError(f"a {type(value).__qualname__} has no form in JSON")


def _key(key: Any) -> str:
    text = plain(key)
    return text if isinstance(text, str) else str(text)


def _iso_duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    parts = [
        f"{hours}H" if hours else "",
        f"{minutes}M" if minutes else "",
        f"{seconds}{fraction}S" if seconds or fraction else "",
    ]
    clock = "".join(parts)
    return f"{sign}P{days}" + (f"T{clock}" if clock or not days else "") + ("0S" if not clock and not days else "")
