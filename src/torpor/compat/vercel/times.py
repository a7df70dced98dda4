"""Sleeping, the time and chance, as workflow code has them; Torpor makes all three the run's own."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from random import Random

from torpor.compat.vercel.side import read_clock, require_run, sleep

__all__ = ["now", "random", "sleep", "time_ns"]


def now() -> datetime:
    """
    Return the time as the run has it, aware.

    Raises:
        OutsideWorkflowError: called outside of a run.
    """
    return datetime.fromtimestamp(time_ns() / 1e9, UTC)


def time_ns() -> int:
    """
    Return the time as the run has it, in nanoseconds since the epoch.

    Raises:
        OutsideWorkflowError: called outside of a run.
    """
    require_run("time_ns")
    return read_clock()


def random() -> Random:
    """
    Return the run's own generator: the same one at every call.

    Raises:
        OutsideWorkflowError: called outside of a run.
    """
    require_run("random")
    return _generator()


@functools.cache
def _generator() -> Random:
    return Random()  # noqa: S311  # no secret
