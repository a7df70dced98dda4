"""When the worker dies and when the next one comes: told by what is stored, never by a stopwatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from examples.orders.measure import overdue
from examples.orders.watch import ASLEEP, Watch


class Moment(msgspec.Struct, frozen=True):
    """
    A moment to kill the worker at.

    Attributes:
        name: completes "killed while …".
        strike: given the watch, whether to kill now.
        relent: given the watch and the time in epoch milliseconds, whether to start the next worker.
    """

    name: str
    strike: Callable[[Watch], bool]
    relent: Callable[[Watch, int], bool]


def _steps_run(watch: Watch) -> bool:
    return watch.steps_running >= 3 and watch.steps_ended >= watch.size // 2


def _most_sleep(watch: Watch) -> bool:
    return watch.places()[ASLEEP] > (watch.size - len(watch.outcomes)) / 2


def _at_once(_watch: Watch, _now: int) -> bool:
    return True


def _timer_rang_unheard(watch: Watch, now: int) -> bool:
    return any(overdue(log, now) for log in watch.logs.values())


MOMENTS: Final = (
    Moment("steps run", _steps_run, _at_once),
    Moment("most unfinished runs sleep", _most_sleep, _timer_rang_unheard),
)
