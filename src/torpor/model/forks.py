"""Runs that begin with the log of another one."""

from __future__ import annotations

import msgspec

from torpor.model.log import Event, LogEntry
from torpor.model.runs import NewRun


class NewFork(msgspec.Struct, frozen=True):
    """
    What a fork stores: a run, and the log that it begins with, as its own: ids and payloads are the new run's.

    Attributes:
        new: the run; its attributes are those that its origin had been given when it was started. Its ``input`` is of
            no meaning: the log has it.
        origin: the run whose log it was.
        place: seq of the last event of that log which it has.
        before: the log before the place, from ``run_created`` on, as it stands there: seqs are 1, 2, 3 …, steps that
            are open have not begun, and there is nothing of pauses, retries and endings.
        after: ``run_forked``, and the outcomes of steps that are open, which somebody has chosen; the world dates them.
        ops, logs: what the run had asked for and written at that place.
        lines: what it had written.
    """

    new: NewRun
    origin: str
    place: int
    before: tuple[Event, ...]
    after: tuple[Event, ...]
    ops: int = 0
    logs: int = 0
    lines: tuple[LogEntry, ...] = ()
