"""Validators of dates, times and durations."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .clock_text import (
    Unreadable,
    YearZero,
    date_of_text,
    moment_of_float,
    moment_of_number,
    moment_of_text,
    time_of_number,
    time_of_text,
)
from .durations import duration_of_number, duration_of_text
from .errors import Invalid, Line, SchemaError, invalid
from .numbers import float_of, index_of, utf8
from .scalars import COMPARISONS, ERRORS_OF_BOUNDS
from .state import EXACT, LAX, STRICT, State, Validator

_BOUNDS = ("le", "lt", "ge", "gt")


class Temporal(Validator):
    """
    What validators of all these have in common: an object of the class is taken as it is, a text or number is read.

    Attributes:
        strict: whether nothing else than objects is taken.
        bounds: bound → object.
        is_exact: whether texts may not have more than microseconds.
        unit: of Unix time.
        zone: ``aware``, ``naive`` or seconds from UTC.
        now: ``past`` or ``future``.
    """

    __slots__ = ("bounds", "is_exact", "now", "now_offset", "strict", "unit", "zone")

    parsing: str

    def __init__(self, schema: Schema, config: Config) -> None:
        self.strict = is_strict(schema, config)
        precision = from_either(schema, config, "microseconds_precision", default="truncate")
        if precision not in ("truncate", "error"):
            raise SchemaError('Invalid `microseconds_precision`, must be one of "truncate" or "error"')
        self.is_exact = precision == "error"
        self.unit = config.get("val_temporal_unit", "infer")
        self.zone, self.now, self.now_offset = (
            schema.get("tz_constraint"),
            schema.get("now_op"),
            schema.get("now_utc_offset"),
        )
        self.bounds = {name: self._bound(name, schema[name]) for name in _BOUNDS if schema.get(name) is not None}

    def _bound(self, name: str, limit: Any) -> Any:
        try:
            return type(self)({}, {}).validate(limit, State("python"))
        except Invalid:
            raise ValueError(f"'{name}' must be coercible to a {self.name} instance") from None

    def check_bounds(self, found: Any, value: Any, key: Callable[[Any, Any], tuple[Any, Any]], text: Any) -> None:
        """Fail with the first bound that is not kept; *key* makes two objects comparable."""
        for name, limit in self.bounds.items():
            if not COMPARISONS[name](*key(found, limit)):
                raise invalid(ERRORS_OF_BOUNDS[name], value, **{name: text(limit)})

    def read(self, parse: Callable[[], Any], value: Any) -> Any:
        """Return what a function reads; where it cannot, the failure says so."""
        try:
            return parse()
        except Unreadable as problem:
            kind, words = Settled if isinstance(problem, YearZero) else Invalid, str(problem)
        raise kind([Line(self.parsing, value, {"error": words})])


class Settled(Invalid):
    """A value is a date that there cannot be, so nothing else is tried."""


def _readable(value: Any) -> str | None:
    """Return the text that a text or bytes is for the readers."""
    if isinstance(value, str):
        return utf8(value)
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else None


class DateValidator(Temporal):
    __slots__ = ()
    name = "date"
    parsing = "date_parsing"

    def validate(self, value: Any, state: State) -> dt.date:
        strict = state.is_strict(self.strict)
        found = self._found(value, state, strict)
        self.check_bounds(found, value, lambda one, other: (one, other), str)
        if self.now is not None:
            today = _now(self.now_offset).date()
            if not (found < today if self.now == "past" else found > today):
                raise invalid(f"date_{self.now}", value)
        return found

    def _found(self, value: Any, state: State, strict: bool) -> dt.date:
        try:
            return self._date(value, state, strict)
        except Invalid as failure:
            if strict or isinstance(failure, Settled):
                raise
            first = failure.lines
        state.floor(LAX)
        moment = None
        try:
            moment = Moment({}, {}).moment(value, State(state.source), strict=False, unit=self.unit)
        except Invalid as failure:
            if isinstance(failure, Settled):
                raise
            for line in failure.lines:
                if line.type == "datetime_parsing":
                    line.type = "date_from_datetime_parsing"
                    raise
        if moment is None:
            raise Invalid(first)
        if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
            raise invalid("date_from_datetime_inexact", value)
        return moment.date()

    def _date(self, value: Any, state: State, strict: bool) -> dt.date:
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime) and state.source == "python":
            state.floor(EXACT if type(value) is dt.date else STRICT)
            return value
        is_json = state.source == "json"
        text = _readable(value) if is_json or not strict else None
        if text is None:
            raise invalid("date_type", value)
        found: dt.date = self.read(lambda: date_of_text(text, self.unit), value)
        state.floor(STRICT if is_json else LAX)
        return found


@builds("date")
def _date(schema: Schema, config: Config, _building: Building) -> Validator:
    return DateValidator(schema, config)


class TimeValidator(Temporal):
    __slots__ = ()
    name = "time"
    parsing = "time_parsing"

    def validate(self, value: Any, state: State) -> dt.time:
        found = self._found(value, state, state.is_strict(self.strict))
        self.check_bounds(found, value, _times, _time_text)
        check_zone(self.zone, found.utcoffset(), value)
        return found

    def _found(self, value: Any, state: State, strict: bool) -> dt.time:
        if isinstance(value, dt.time):
            state.floor(EXACT if type(value) is dt.time else STRICT)
            return value
        is_json = state.source == "json"
        if (is_json or not strict) and (text := _readable(value)) is not None:
            state.floor(STRICT if is_json else LAX)
            found: dt.time = self.read(lambda: time_of_text(text, is_exact=self.is_exact), value)
            return found
        if not strict and not isinstance(value, bool):
            state.floor(LAX)
            number = index_of(value)
            if number is None and is_json and isinstance(value, int):
                raise invalid("time_parsing", value, error="numeric times may not exceed 86,399 seconds")
            real = number if number is not None else float_of(value)
            if real is not None:
                return self.read(lambda: time_of_number(real), value)  # type: ignore[no-any-return]  # a time
        raise invalid("time_type", value)


def _times(one: dt.time, other: dt.time) -> tuple[Any, Any]:
    offsets = one.utcoffset(), other.utcoffset()
    both = None not in offsets
    return tuple(
        _microseconds(time, offset if both else None) for time, offset in zip((one, other), offsets, strict=True)
    )  # type: ignore[return-value]  # two


def _microseconds(time: dt.time, offset: dt.timedelta | None) -> tuple[int, int]:
    seconds = time.hour * 3600 + time.minute * 60 + time.second
    return seconds - (round(offset.total_seconds()) if offset is not None else 0), time.microsecond


def _time_text(time: dt.time) -> str:
    text = f"{time.hour:02}:{time.minute:02}:{time.second:02}"
    return text + (f".{time.microsecond:06}" if time.microsecond else "") + _zone_text(time.utcoffset())


def _zone_text(offset: dt.timedelta | None) -> str:
    if offset is None:
        return ""
    seconds = round(offset.total_seconds())
    if seconds == 0:
        return "Z"
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


@builds("time")
def _time(schema: Schema, config: Config, _building: Building) -> Validator:
    return TimeValidator(schema, config)


class Moment(Temporal):
    """Of dates with times."""

    __slots__ = ()
    name = "datetime"
    parsing = "datetime_parsing"

    def validate(self, value: Any, state: State) -> dt.datetime:
        found = self._found(value, state, state.is_strict(self.strict))
        self.check_bounds(found, value, _moments, _moment_text)
        if self.now is not None:
            one, other = _moments(found, _now(self.now_offset))
            if not (one < other if self.now == "past" else one > other):
                raise invalid(f"datetime_{self.now}", value)
        check_zone(self.zone, found.utcoffset(), value)
        return found

    def _found(self, value: Any, state: State, strict: bool) -> dt.datetime:
        try:
            return self.moment(value, state, strict=strict, unit=self.unit)
        except Invalid as failure:
            if strict or isinstance(failure, Settled):
                raise
            first = failure.lines
        state.floor(LAX)
        try:
            day = DateValidator({}, {})._date(value, State(state.source), strict=False)  # noqa: SLF001  # of this module
        except Invalid as failure:
            for line in failure.lines:
                if line.type == "date_parsing":
                    line.type = "datetime_from_date_parsing"
                    raise
            raise Invalid(first) from None
        return dt.datetime(day.year, day.month, day.day)  # noqa: DTZ001  # as pydantic makes it

    def moment(self, value: Any, state: State, *, strict: bool, unit: str) -> dt.datetime:
        """Return the date with time that a value is, without trying whether it is a date."""
        if isinstance(value, dt.datetime):
            state.floor(EXACT if type(value) is dt.datetime else STRICT)
            return value
        is_json = state.source == "json"
        if (is_json or not strict) and (text := _readable(value)) is not None:
            found: dt.datetime = self.read(lambda: moment_of_text(text, unit, is_exact=self.is_exact), value)
            state.floor(STRICT if is_json else LAX)
            return found
        if not strict and not isinstance(value, bool):
            if (number := index_of(value)) is not None:
                found = self.read(lambda: moment_of_number(number, 0, unit), value)
                state.floor(LAX)
                return found
            if not (is_json and isinstance(value, int)) and (real := float_of(value)) is not None:
                found = self.read(lambda: moment_of_float(real, unit), value)
                state.floor(LAX)
                return found
            if isinstance(value, dt.date):
                state.floor(LAX)
                return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001  # as pydantic makes it
        raise invalid("datetime_type", value)


def _moments(one: dt.datetime, other: dt.datetime) -> tuple[Any, Any]:
    """Return both in a form that can be compared: without a time zone, one has that of the other."""
    if one.utcoffset() is None or other.utcoffset() is None:
        return one.replace(tzinfo=None), other.replace(tzinfo=None)
    return one, other


def _moment_text(moment: dt.datetime) -> str:
    return f"{moment.date()}T{_time_text(moment.timetz().replace(tzinfo=None))}{_zone_text(moment.utcoffset())}"


def _now(offset: int | None) -> dt.datetime:
    seconds = time.localtime().tm_gmtoff if offset is None else offset
    return dt.datetime.now(dt.timezone(dt.timedelta(seconds=seconds)))


def check_zone(constraint: str | int | None, offset: dt.timedelta | None, value: Any) -> None:
    """Fail if a distance from UTC is not what is wanted."""
    if constraint is None:
        return
    if constraint == "naive":
        if offset is not None:
            raise invalid("timezone_naive", value)
        return
    if offset is None:
        raise invalid("timezone_aware", value)
    seconds = round(offset.total_seconds())
    if isinstance(constraint, int) and constraint != seconds:
        raise invalid("timezone_offset", value, tz_expected=constraint, tz_actual=seconds)


@builds("datetime")
def _datetime(schema: Schema, config: Config, _building: Building) -> Validator:
    return Moment(schema, config)


class Duration(Temporal):
    __slots__ = ("step",)
    name = "timedelta"
    parsing = "time_delta_parsing"

    def __init__(self, schema: Schema, config: Config) -> None:
        super().__init__(schema, config)
        self.step: dt.timedelta | None = None
        if schema.get("multiple_of") is not None:
            self.step = self._bound("multiple_of", schema["multiple_of"])
            if self.step <= dt.timedelta(0):
                raise ValueError("'multiple_of' must be greater than 0")

    def validate(self, value: Any, state: State) -> dt.timedelta:
        found = self._found(value, state, state.is_strict(self.strict))
        if self.step is not None and found % self.step:
            raise invalid("multiple_of", found, multiple_of=_in_words(self.step))
        self.check_bounds(found, found, lambda one, other: (one, other), _in_words)
        return found

    def _found(self, value: Any, state: State, strict: bool) -> dt.timedelta:
        if isinstance(value, dt.timedelta):
            state.floor(EXACT if type(value) is dt.timedelta else STRICT)
            return value
        is_json = state.source == "json"
        if (is_json or not strict) and (text := _readable(value)) is not None:
            state.floor(STRICT if is_json else LAX)
            found: dt.timedelta = self.read(lambda: duration_of_text(text, is_exact=self.is_exact), value)
            return found
        if not strict and not (is_json and isinstance(value, bool)):
            number = index_of(value)
            real = number if number is not None else None if is_json and isinstance(value, int) else float_of(value)
            if real is not None:
                state.floor(LAX)
                return self.read(lambda: duration_of_number(real), value)  # type: ignore[no-any-return]  # a timedelta
        raise invalid("time_delta_type", value)


def _in_words(duration: dt.timedelta) -> str:
    minutes, seconds = divmod(duration.seconds, 60)
    parts = (
        (duration.days, "day"),
        (minutes // 60, "hour"),
        (minutes % 60, "minute"),
        (seconds, "second"),
        (duration.microseconds, "microsecond"),
    )
    told = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in parts if count]
    return " and ".join(told) or "0 seconds"


@builds("timedelta")
def _timedelta(schema: Schema, config: Config, _building: Building) -> Validator:
    return Duration(schema, config)
