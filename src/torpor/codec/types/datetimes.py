"""
Datetimes and times as text, with their zone: ``2024-10-27T02:30:00+01:00[Europe/Berlin]``, the form of RFC 9557.

The offset tells which of two equal readings is meant when clocks were set back. Where there is none to tell it, the
second reading (``fold=1``) is marked ``[fold=1]``. An offset that was given a name is followed by ``[name=CET]``.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from torpor.errors import SerializationError

Timed = TypeVar("Timed", datetime, time)

_TEXT = re.compile(r"([^\[\]]+?)(?:\[([^\[\]=]+)\])?(?:\[name=(.*?)\])?(\[fold=1\])?", re.DOTALL)


def timed_text(value: datetime | time) -> str:
    """
    Return a datetime or time as text.

    Raises:
        SerializationError: its zone is of a kind that cannot be named.
    """
    zone = value.tzinfo
    text = value.isoformat()
    if isinstance(zone, ZoneInfo) and zone.key is not None:
        text += f"[{zone.key}]"
    elif type(zone) is timezone:
        name = zone.tzname(None)
        if name != timezone(zone.utcoffset(None)).tzname(None):
            text += f"[name={name}]"
    elif zone is not None:
        raise SerializationError(
            f"its zone is a {type(zone).__module__}.{type(zone).__qualname__}, which cannot be stored; "
            "use zoneinfo.ZoneInfo or datetime.timezone"
        )
    return text + "[fold=1]" if value.fold else text


def parse_timed(text: str, cls: type[Timed]) -> Timed:
    """
    Return the datetime or time of a text.

    Raises:
        ValueError: the text is none.
        SerializationError: this machine does not know its zone.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r:.80} is no {cls.__name__}")
    reading, key, name, fold = match.groups()
    value = cls.fromisoformat(reading)
    zone = value.tzinfo if key is None else zone_named(key)
    if name is not None and zone is not None:
        zone = timezone(zone.utcoffset(None) or timedelta(), name)
    return value.replace(tzinfo=zone, fold=1 if fold else 0)


def zone_named(key: str) -> ZoneInfo:
    """
    Return the time zone of a key, such as ``Europe/Berlin``.

    Raises:
        SerializationError: this machine does not know it.
    """
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SerializationError(f"this machine does not know the time zone {key!r:.80}; install tzdata") from error
