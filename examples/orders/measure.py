"""
What the logs of runs tell: pure functions over events, none of them about orders.

Times are epoch milliseconds, durations milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from torpor.model import Event

Log = list[Event]

STEP_EVENTS = ("step_retrying", "step_completed", "step_failed")
"""Events that are stored while a run may sleep; all others are stored by a turn of the run."""

STEP_ENDINGS = ("step_completed", "step_failed")


class Executions(msgspec.Struct, frozen=True):
    """
    How often step functions ran.

    Attributes:
        steps: steps that were asked for.
        started: executions of them.
        repeated: steps with more than one.
        after_error: executions that followed one which raised.
        after_kill: executions that followed one whose worker died before its outcome was recorded.
    """

    steps: int
    started: int
    repeated: int
    after_error: int
    after_kill: int


class WakeUp(msgspec.Struct, frozen=True):
    """A sleep that ended: when it should have, and when it did."""

    due: int
    at: int


def executions(logs: Iterable[Log]) -> Executions:
    """Count the executions of all steps in these logs, as far as the logs tell: attempts without an outcome do not."""
    steps = started = repeated = after_error = after_kill = 0
    for events in _by_step(logs):
        newest = max(event.attempt for event in events)
        steps += 1
        started += newest
        repeated += newest > 1
        # An attempt that raised leaves step_retrying before the next one; an attempt that died leaves nothing.
        raised = sum(event.type == "step_retrying" and event.attempt < newest for event in events)
        after_error += raised
        after_kill += max(0, newest - 1 - raised)
    return Executions(steps, started, repeated, after_error, after_kill)


def ended_steps(log: Log) -> int:
    """Count the steps of a run that have completed or failed."""
    return sum(event.type in STEP_ENDINGS for event in log)


def asleep(log: Log) -> bool:
    """Return whether a run waits for a timer and for nothing else."""
    waiting = {event.id for event in log if event.type == "wait_created"}
    waiting -= {event.id for event in log if event.type == "wait_completed"}
    return bool(waiting) and all(events[-1].type in STEP_ENDINGS for events in _by_step([log]))


def overdue(log: Log, now: int) -> bool:
    """Return whether a run's timer should have rung by now and did not."""
    rung = {event.id for event in log if event.type == "wait_completed"}
    return any(event.due <= now for event in log if event.type == "wait_created" and event.id not in rung)


def wake_ups(logs: Iterable[Log]) -> list[WakeUp]:
    """Return the sleeps that ended."""
    found = []
    for log in logs:
        due = {event.id: event.due for event in log if event.type == "wait_created"}
        found += [WakeUp(due[event.id], event.at) for event in log if event.type == "wait_completed"]
    return found


def first_event(logs: Iterable[Log], since: int) -> int | None:
    """Return when the first event from *since* on happened, None when nothing happened any more."""
    return min((event.at for log in logs for event in log if event.at >= since), default=None)


def first_turn(logs: Iterable[Log], since: int) -> int | None:
    """Return when the first run went on from *since* on, None when none did. A step alone is not the run going on."""
    turns = [[event for event in log if event.type not in STEP_EVENTS] for log in logs]
    return first_event(turns, since)


def _by_step(logs: Iterable[Log]) -> list[Log]:
    steps: dict[tuple[int, str], Log] = {}
    for number, log in enumerate(logs):
        for event in log:
            if event.type.startswith("step_"):
                steps.setdefault((number, event.id), []).append(event)
    return list(steps.values())
