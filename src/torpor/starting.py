"""
How a run may be started: at a time, in a queue, with a priority, a deadline, attributes; what it may do once cancelled.

The guest of Python has this file too, so that ``app.start`` reads its options alike inside and outside of a workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from torpor.attributes import Attributes, check_total, check_write, written
from torpor.durations import Duration, When, due_at, milliseconds, read_when
from torpor.errors import ArgumentError
from torpor.limits import KEY_CHARS_MAX, PRIORITY_MAX, QUEUE_CHARS_MAX

OPTIONS: Final = (
    "run_id",
    "runtime",
    "at",
    "delay",
    "queue",
    "queue_key",
    "priority",
    "deadline",
    "attributes",
    "cleanup",
    "detached",
    "connection",
)
"""Keywords of ``app.start`` that are not the workflow's."""

LATEST_MS: Final = 253_402_300_799_000
"""The end of the year 9999; what is later has no date."""

STEPS_MAX: Final = 1_000_000
"""Steps that a cleanup may be allowed."""


class Cleanup(NamedTuple):
    """
    What workflow code may do once its run is cancelled.

    Attributes:
        time: for how long: seconds, text such as ``"2m"``, or a timedelta; 0 ends the run at once.
        steps: how many steps it may ask for.
    """

    time: Duration = 30.0
    steps: int = 100

    @property
    def ms(self) -> int:
        """The time in milliseconds."""
        return milliseconds(self.time)


def checked_cleanup(given: Cleanup | Duration) -> Cleanup:
    """
    Return what was meant: a duration stands for so much time and as many steps as usual.

    Raises:
        ArgumentError: it is no duration, or negative.
    """
    cleanup = given if isinstance(given, Cleanup) else Cleanup(given)
    _told("cleanup", lambda: cleanup.ms)
    if not _is_whole(cleanup.steps, 0, STEPS_MAX):
        raise ArgumentError(f"cleanup: the number of steps is a whole number from 0, not {cleanup.steps!r:.100}")
    return cleanup


def beginning(
    now: int,
    *,
    at: datetime | str | None = None,
    delay: Duration | None = None,
    queue: str = "",
    queue_key: str = "",
    priority: int = 0,
    deadline: When | None = None,
    attributes: Attributes | None = None,
    cleanup: Cleanup | Duration | None = None,
    detached: bool = False,
) -> dict[str, Any]:
    """
    Return how a run begins, as fields of :class:`torpor.model.NewRun`; only those that are not as usual.

    Args:
        now: epoch milliseconds.
        at, delay, queue, queue_key, priority, deadline, attributes, cleanup, detached: as for
            :meth:`torpor.app.Torpor.start`.

    Raises:
        ArgumentError: one of them is not what it should be; the message says which, and what it should be.
        LimitExceededError: there are too many attributes, or they are too long.
    """
    if at is not None and delay is not None:
        raise ArgumentError("a run starts either at= a moment or after a delay=; leave one of them out")
    starts_at = 0
    if at is not None:
        starts_at = _moment("at", at)
    elif delay is not None:
        starts_at = now + _told("delay", lambda: milliseconds(delay))
    begins = max(now, starts_at)
    due = 0 if deadline is None else _told("deadline", lambda: due_at(deadline, begins))
    return checked(
        {
            "queue": queue,
            "key": queue_key,
            "priority": priority,
            "starts_at": starts_at,
            "deadline": 0 if deadline is None else max(1, due),
            "attributes": attributes or {},
            **_cleanup_fields(cleanup),
            "detached": detached,
        }
    )


def checked(fields: Mapping[str, Any], *, reserved: bool = False) -> dict[str, Any]:
    """
    Return fields of a beginning that are not as usual, once they are seen to be such.

    Args:
        fields: as :func:`beginning` returns them, wherever they come from.
        reserved: whether attributes whose names begin with ``$`` are allowed.

    Raises:
        ArgumentError, LimitExceededError: as :func:`beginning`.
    """
    queue, priority = fields.get("queue", ""), fields.get("priority", 0)
    if not isinstance(queue, str) or len(queue) > QUEUE_CHARS_MAX:
        raise ArgumentError(f"queue: the name of a queue has up to {QUEUE_CHARS_MAX} characters, not {queue!r:.150}")
    key = fields.get("key", "")
    if not isinstance(key, str) or len(key) > KEY_CHARS_MAX:
        raise ArgumentError(f"queue_key: a text of up to {KEY_CHARS_MAX} characters, not {key!r:.150}")
    if key and not queue:
        raise ArgumentError(f"queue_key={key!r:.50} says of whom the run is in a queue; give queue= too")
    if not _is_whole(priority, -PRIORITY_MAX, PRIORITY_MAX):
        raise ArgumentError(
            f"priority: a whole number from {-PRIORITY_MAX} to {PRIORITY_MAX}, higher first, not {priority!r:.100}"
        )
    times = {name: fields.get(name, 0) for name in ("starts_at", "deadline")}
    for name, time in times.items():
        if not _is_whole(time, 0, LATEST_MS):
            raise ArgumentError(f"{name}: a time after 1970 and before the year 10000, not {time!r:.100}")
    attributes = written({}, check_write(fields.get("attributes", {}), reserved=reserved))
    check_total(attributes)
    numbers = {name: int(number) for name, number in {"priority": priority, **times}.items()}
    found = {"queue": queue, "key": key, **numbers, "attributes": attributes, "detached": bool(fields.get("detached"))}
    limits = {name: fields[name] for name in ("cleanup_ms", "cleanup_steps") if name in fields}
    for name, limit in limits.items():
        if not _is_whole(limit, 0, LATEST_MS):
            raise ArgumentError(f"{name}: a whole number from 0, not {limit!r:.100}")
    return {name: value for name, value in found.items() if value} | {name: int(limits[name]) for name in limits}


def _cleanup_fields(cleanup: Cleanup | Duration | None) -> dict[str, int]:
    if cleanup is None:
        return {}
    meant = checked_cleanup(cleanup)
    return (
        {"cleanup_ms": meant.ms, "cleanup_steps": meant.steps}
        if isinstance(cleanup, Cleanup)
        else {"cleanup_ms": meant.ms}
    )


def _moment(name: str, at: datetime | str) -> int:
    read = _told(name, lambda: read_when(at))
    if not isinstance(read, datetime):
        raise ArgumentError(
            f"{name}: {at!r:.100} is no moment; give an aware datetime or a text such as '2026-11-21T17:30:00Z', or "
            f"use delay= for a time from now on"
        )
    return max(0, due_at(read, 0))


def _told(name: str, read: Any) -> Any:
    try:
        return read()
    except (ValueError, TypeError, OverflowError) as error:
        raise ArgumentError(f"{name}: {error}") from None


def _is_whole(value: object, least: int, most: int) -> bool:
    if isinstance(value, float) and value.is_integer():  # as JavaScript has all numbers
        value = int(value)
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
