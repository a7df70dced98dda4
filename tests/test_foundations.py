"""The ground floor: ids, lifecycles, durations, limits, errors."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor import errors, ids, lifecycle
from torpor.durations import When, due_at, milliseconds, read_when
from torpor.errors import EntityConflictError, RetryableError, UsageError

NOW = 1_700_000_000_000


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ulids_sort_by_time(first: int, second: int, randomness: bytes) -> None:
    """Text order is time order."""
    assert (first < second) == (ids.ulid(first, randomness) < ids.ulid(second, randomness)) or first == second


def test_a_ulid_is_what_the_specification_says() -> None:
    """The time part of the specification's example, 01ARYZ6S41, is 1469918176385."""
    assert ids.ulid(1_469_918_176_385, bytes(10)) == "01ARYZ6S41" + "0" * 16


def test_a_ulid_refuses_too_little_randomness() -> None:
    """Nine bytes are not ten."""
    with pytest.raises(ValueError, match="not 9"):
        ids.ulid(0, bytes(9))


def test_correlation_ids_depend_on_seed_op_and_time_only() -> None:
    """The same op has the same id in a replay, and another one elsewhere."""
    seed = bytes(range(32))
    first = ids.correlation("step", seed, 1, NOW)
    assert first == ids.correlation("step", seed, 1, NOW)
    assert len({first, ids.correlation("step", seed, 2, NOW), ids.correlation("step", bytes(32), 1, NOW)}) == 3


def test_a_child_is_named_after_the_step_that_starts_it() -> None:
    """Its id is a run's, of the step's time, the same whenever it is asked for, and another for another step."""
    step, other = (ids.correlation("step", bytes(32), op, NOW) for op in (1, 2))
    child = ids.child(step)
    assert child == ids.child(step) != ids.child(other)
    assert re.fullmatch("wrun_[0-9A-HJKMNP-TV-Z]{26}", child)
    assert child[5:15] == step[5:15]
    assert child[15:] != step[15:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("1h 30m", 5_400_000),
        ("2.5 days", 216_000_000),
        ("1 Week", 604_800_000),
        (".5s", 500),
        ("1y", 31_557_600_000),
        (1.5, 1_500),
        (timedelta(minutes=2), 120_000),
    ],
)
def test_durations(text: float | str | timedelta, expected: int) -> None:
    """Numbers with units add up; plain numbers are seconds."""
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-", "soon", "5", "5 parsecs", "1h later", "1h -30m", "-5s", -1.0, float("nan"), float("inf")]
)
def test_durations_that_are_none(text: float | str) -> None:
    """The error repeats what was given."""
    with pytest.raises(ValueError, match="duration"):
        milliseconds(text)


MOMENT = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (1.5, 1_500),
        (-1, -1_000),
        ("-1h 30m", -5_400_000),
        (" - 5s", -5_000),
        (timedelta(seconds=-2), -2_000),
        (MOMENT, MOMENT),
        ("2026-11-21T17:30:00Z", MOMENT),
        ("2026-11-21T17:30Z", MOMENT),
        (" 2026-11-21 18:30:00.000+01:00 ", MOMENT),
        ("2026-11-21t09:30:00-08", MOMENT),
        ("2026-11-21T23:00:00,5+0530", MOMENT + timedelta(seconds=0.5)),
    ],
)
def test_times(when: When, expected: int | datetime) -> None:
    """A span from now, behind a minus before now, or a moment, as text too."""
    assert read_when(when) == expected


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("2026-11-21T17:30:00", "time and zone"),
        ("2026-11-21", "time and zone"),
        ("2026-02-30T00:00Z", "time and zone.*day is out of range"),
        ("2026-11-21T25:00Z", "time and zone"),
        ("21.11.2026", "not understood"),
        (datetime(2026, 11, 21), "no time zone"),  # noqa: DTZ001  # that is the case
        (float("nan"), "has no end"),
        (float("-inf"), "has no end"),
        (None, "is no time"),
        (True, "is no time"),
    ],
)
def test_times_that_are_none(when: Any, told: str) -> None:
    """The error repeats what was given, and says what to write."""
    with pytest.raises(ValueError, match=told) as caught:
        read_when(when)
    assert repr(when) in str(caught.value)


def test_what_is_due() -> None:
    """A moment between two milliseconds is over with the later one; what has passed was due before."""
    assert due_at("2s", NOW) == NOW + 2_000
    assert due_at(-2, NOW) == NOW - 2_000
    assert due_at("1970-01-01T00:00:00.0010001Z", NOW) == 1
    assert due_at("1970-01-01T00:00:00.001001Z", NOW) == 2


def test_every_transition_starts_and_ends_in_known_states() -> None:
    """A state that can be reached can be left, or is terminal."""
    for event, (before, after) in lifecycle.TRANSITIONS.items():
        assert lifecycle.advance(event, before[0], "it") == (after or before[0])


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_terminal_runs_stay_as_they_are(status: str) -> None:
    """No event of a run is allowed after its end; the error names event, state and entity."""
    for event in ("run_started", "run_completed", "run_failed", "run_cancelled"):
        with pytest.raises(EntityConflictError, match=f"{event} refused: run r is {status}"):
            lifecycle.advance(event, status, "run r")


def test_retry_after_takes_seconds_spans_and_moments() -> None:
    """All three name the same moment; a past one means now."""
    moment = datetime.fromtimestamp(NOW / 1000 + 60, UTC)
    for retry_after in (60, timedelta(minutes=1), moment):
        assert RetryableError("x", retry_after=retry_after).retry_at(NOW) == NOW + 60_000
    assert RetryableError("x", retry_after=moment.isoformat()).retry_at(NOW) == NOW + 60_000
    for past in (-5, "-5s", "2020-01-01T00:00Z"):
        assert RetryableError("x", retry_after=past).retry_at(NOW) == NOW
    assert RetryableError("x").retry_at(NOW) is None


def test_a_moment_without_zone_is_refused() -> None:
    """A naive datetime does not say when."""
    with pytest.raises(UsageError, match="time zone"):
        RetryableError("x", retry_after=datetime(2030, 1, 1))  # noqa: DTZ001  # that is the point


@pytest.mark.parametrize(
    "retry_after", [1e12, 1e300, timedelta.max, "99999y", datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))]
)
def test_a_time_that_never_comes_is_refused(retry_after: float | str | timedelta | datetime) -> None:
    """It could neither be stored nor told as a date."""
    with pytest.raises(UsageError, match="after the year 9999"):
        RetryableError("x", retry_after=retry_after)


def test_every_error_has_a_code_and_stands_in_the_drawing() -> None:
    """The module's docstring draws the whole hierarchy."""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.TorporError):
            assert kind.code.isupper()
            assert name in (errors.__doc__ or "")
