"""
How often and when steps are tried again, and what a single call may want instead: ``charge.with_options(…)``.

What a call wants travels in the step's input, under ``options``. So it is there for whoever carries the step out, in
whatever process, after a replay too; and a call that wants nothing is stored as ever. Workflow code has this file too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from torpor.durations import Duration, milliseconds
from torpor.errors import ConfigurationError

RETRIES_DEFAULT: Final = 3

SCHEDULE_TO_START: Final = "scheduleToStartMs"
SCHEDULE_TO_CLOSE: Final = "scheduleToCloseMs"
"""What deadlines of a call are called in its input, where the turn that stores the call looks for them."""

Exceptions = type[BaseException] | tuple[type[BaseException], ...]
"""One class of exceptions, or several, as an ``except`` clause takes them."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Delays between attempts: exponential, with full jitter.

    The jitter spreads the retries of steps that failed together; "full jitter" is the variant recommended by Marc
    Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).

    Attributes:
        first: mean scale of the first delay, in seconds.
        factor: growth per failure.
        most: longest delay, in seconds.

    Raises:
        ConfigurationError: one of them is negative, or no number.
    """

    first: float = 0.2
    factor: float = 2.0
    most: float = 60.0

    def __post_init__(self) -> None:
        for name in ("first", "factor", "most"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ConfigurationError(f"{name}={value!r} of a Backoff; give seconds from 0 upwards, and a factor")

    def delay_ms(self, failures: int, draw: float | None = None) -> int:
        """
        Return how long to wait after this many failures, in milliseconds.

        Args:
            failures: failures so far, at least 1.
            draw: a number in [0, 1) in place of a random one.
        """
        ceiling = min(self.most, self.first * self.factor ** min(failures - 1, 64))
        share = random.random() if draw is None else draw  # noqa: S311  # spreads load, hides nothing
        return int(1000 * ceiling * (0.5 + share / 2))


class StepOptions(TypedDict, total=False):
    """
    What a call may want otherwise than its step says; what is not given stays as the step says.

    Attributes:
        max_retries: attempts after the first; 0 for none.
        timeout: how long one attempt may take, such as ``"30s"``; None for as long as it likes.
        heartbeat: how long an attempt may be silent, see ``current_step().heartbeat``; None for as long as it likes.
        schedule_to_start: how long it may wait for a worker to begin it; None for as long as it likes.
        schedule_to_close: how long it may take in all, with the wait and all attempts; None for as long as it likes.
        backoff: delays between attempts.
        retry_on: try again after these errors only; None for all.
        never_retry: never try again after these.
    """

    max_retries: int
    timeout: Duration | None
    heartbeat: Duration | None
    schedule_to_start: Duration | None
    schedule_to_close: Duration | None
    backoff: Backoff
    retry_on: Exceptions | None
    never_retry: Exceptions


def checked_retries(max_retries: int) -> int:
    """
    Return a number of retries.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ConfigurationError(f"max_retries={max_retries!r} of a step; give 0 for no retries, or more")
    return max_retries


def timeout_ms(timeout: Duration | None, option: str = "timeout") -> int | None:
    """
    Return a timeout in milliseconds, None for no limit.

    Args:
        timeout: as it was given.
        option: what it is called, for messages.

    Raises:
        ConfigurationError: it is no duration, or leaves no time at all.
    """
    if timeout is None:
        return None
    try:
        ms = milliseconds(timeout)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{option} of a step: {error}") from None
    if ms == 0:
        raise ConfigurationError(f"{option}={timeout!r} of a step leaves it no time; give a longer one, or None")
    return ms


def exception_classes(given: Exceptions, option: str) -> tuple[type[BaseException], ...]:
    """
    Return classes of exceptions as a tuple.

    Raises:
        ConfigurationError: one of them is no class of exceptions.
    """
    classes = given if isinstance(given, tuple) else (given,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise ConfigurationError(f"{option}={given!r} of a step; give a class of exceptions, or a tuple of them")
    return classes


def travelling(options: Mapping[str, Any], path_of: Callable[[type], str]) -> dict[str, Any]:
    """
    Return options as they stand in a step's input: plain data, with times in milliseconds and classes by path.

    Args:
        options: as :class:`StepOptions` says.
        path_of: returns the path of a class.

    Raises:
        ConfigurationError: there is no such option, or it has no such value.
    """

    def paths(given: Exceptions, option: str) -> list[str]:
        return [path_of(each) for each in exception_classes(given, option)]

    written: dict[str, Any] = {}
    for name, value in options.items():
        match name:
            case "max_retries":
                written["maxRetries"] = checked_retries(value)
            case "timeout":
                written["timeoutMs"] = timeout_ms(value)
            case "heartbeat":
                written["heartbeatMs"] = timeout_ms(value, name)
            case "schedule_to_start":
                written[SCHEDULE_TO_START] = timeout_ms(value, name)
            case "schedule_to_close":
                written[SCHEDULE_TO_CLOSE] = timeout_ms(value, name)
            case "backoff" if isinstance(value, Backoff):
                ms = {"firstMs": value.first * 1000, "factor": value.factor, "mostMs": value.most * 1000}
                written["backoff"] = ms
            case "backoff":
                raise ConfigurationError(f"backoff={value!r} of a step; give a torpor.Backoff")
            case "retry_on":
                written["retryOn"] = None if value is None else paths(value, name)
            case "never_retry":
                written["neverRetry"] = paths(value, name)
            case _:
                known = ", ".join(StepOptions.__annotations__)
                raise ConfigurationError(f"with_options: there is no option {name}; there are {known}")
    return written
