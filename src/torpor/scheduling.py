"""
What the author of a schedule says of it: in code, to :meth:`Schedules.create`, or on the command line.

A moment without words for it is epoch milliseconds; what people write is what :mod:`torpor.durations` reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypedDict, get_args

import msgspec

from torpor import codec
from torpor.codec.crypto.keys import Keyring
from torpor.durations import Duration, milliseconds, milliseconds_at, read_when
from torpor.errors import ConfigurationError
from torpor.model.schedules import Overlap, Schedule, Timing
from torpor.worlds import schedules as rules

_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,299}")
_DIGEST_BYTES: Final = 16


class ScheduleOptions(TypedDict, total=False):
    """
    When, and how; one of the first three.

    Attributes:
        cron: an expression of five fields (minute, hour, day of the month, month, day of the week), of six with seconds
            before them, or ``@hourly``, ``@daily``, ``@weekly``, ``@monthly``, ``@yearly``.
        every: an interval, such as ``"15m"``, counted from the epoch; at least a second.
        at: one moment: an aware datetime, or ISO 8601 text with a time zone.
        zone: IANA name of the time zone that *cron* is told in, such as ``Europe/Berlin``; UTC by default.
        overlap: what becomes of a slot while the run before it goes on: ``skip`` (the default), ``buffer`` (one waits
            for that run's end), ``cancel`` (that run is cancelled), ``allow``.
        catch_up: how many slots, the newest, that passed while no worker was at work are made up for; 1 by default.
        jitter: a run is started up to so much later, so that not all begin at once.
        slot_as: name of a parameter that gets the slot as a datetime.
    """

    cron: str | None
    every: Duration | None
    at: datetime | str | None
    zone: str
    overlap: Overlap
    catch_up: int
    jitter: Duration
    slot_as: str


class Plan(msgspec.Struct, frozen=True):
    """
    A schedule as its author wants it, of whatever application.

    Attributes:
        name: of the schedule.
        workflow: short or full name of what is started.
        args, kwargs: what it is started with.
        timing, overlap, catch_up, jitter_ms, slot_as: see :class:`torpor.model.schedules.Schedule`.
    """

    name: str
    workflow: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    timing: Timing
    overlap: Overlap
    catch_up: int
    jitter_ms: int
    slot_as: str

    def schedule(self, app: str, keyring: Keyring, *, declared: bool) -> Schedule:
        """
        Return what is stored of it, arguments encrypted if there are keys.

        Raises:
            SerializationError, LimitExceededError: the arguments cannot be stored.
        """
        made = Schedule(
            app,
            self.name,
            self.workflow,
            self.timing,
            b"",
            slot_as=self.slot_as,
            overlap=self.overlap,
            catch_up=self.catch_up,
            jitter_ms=self.jitter_ms,
            declared=declared,
        )
        text = codec.dumps([list(self.args), self.kwargs])
        its_codec = keyring.blob(made.id, keyring.current)
        return msgspec.structs.replace(
            made,
            arguments=its_codec.encrypt(text),
            digest=its_codec.digest(text, _DIGEST_BYTES),
            key_id=keyring.current,
        )


def plan(
    name: str, workflow: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: ScheduleOptions | dict[str, Any]
) -> Plan:
    """
    Return what options say.

    Raises:
        ConfigurationError: one is unknown or wrong, or the name is none.
    """
    if unknown := ", ".join(sorted(options.keys() - ScheduleOptions.__annotations__.keys())):
        known = ", ".join(ScheduleOptions.__annotations__)
        raise ConfigurationError(f"schedule {name!r}: there is no option {unknown}; there are {known}")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name of a schedule: 1 to 300 characters, no controls")
    overlap = options.get("overlap", "skip")
    if overlap not in get_args(Overlap):
        raise ConfigurationError(
            f"schedule {name!r}: overlap={overlap!r} is unknown; there are {', '.join(get_args(Overlap))}"
        )
    made = Timing(
        cron=options.get("cron") or "",
        zone=options.get("zone", "UTC"),
        every_ms=_duration(name, "every", options.get("every")),
        at=_moment(name, options.get("at")),
    )
    rules.check_timing(made)
    return Plan(
        name,
        workflow,
        tuple(args),
        dict(kwargs),
        made,
        overlap,
        options.get("catch_up", 1),
        _duration(name, "jitter", options.get("jitter")),
        options.get("slot_as", ""),
    )


def read_arguments(schedule: Schedule, keyring: Keyring) -> tuple[list[Any], dict[str, Any]]:
    """
    Return what a schedule starts its workflow with.

    Raises:
        KeyMissingError: its key is not here.
        SerializationError: it cannot be read here.
    """
    args, kwargs = keyring.blob(schedule.id, schedule.key_id).loads(schedule.arguments)
    return list(args), dict(kwargs)


def same_plan(stored: Schedule, wanted: Schedule) -> bool:
    """Return whether a stored schedule is as its author wants it."""
    return _wanted_of(stored) == _wanted_of(wanted)


def _wanted_of(schedule: Schedule) -> tuple[object, ...]:
    return (
        schedule.workflow,
        schedule.timing,
        schedule.digest,
        schedule.key_id,
        schedule.slot_as,
        schedule.overlap,
        schedule.catch_up,
        schedule.jitter_ms,
        schedule.declared,
    )


def _duration(name: str, option: str, value: Duration | None) -> int:
    if value is None:
        return 0
    try:
        return milliseconds(value)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"schedule {name!r}: {option}={value!r}: {error}") from None


def _moment(name: str, value: datetime | str | None) -> int:
    if value is None:
        return 0
    try:
        read = read_when(value)
    except ValueError as error:
        raise ConfigurationError(f"schedule {name!r}: at={value!r}: {error}") from None
    if isinstance(read, int):
        raise ConfigurationError(
            f"schedule {name!r}: at={value!r} is no moment; write it with time and zone, such as '2026-11-21T17:30:00Z'"
        )
    return milliseconds_at(read)
