"""A run's log: events, the lines that its code wrote, and snapshots, which stand for the log up to an event."""

from __future__ import annotations

from typing import Final

import msgspec

from torpor.lifecycle import EventType

NOTHING: Final = b"devl[null]"
"""The envelope of null: what a hook that watches a run receives. Worlds write it, and know no codec."""


class Event(msgspec.Struct, frozen=True):
    """
    One entry of a run's log.

    Attributes:
        type: see :mod:`torpor.lifecycle`.
        at: when it happened; the world moves it up to the previous entry's time, except where a VM has seen it.
        id: correlation id of the step, wait or hook that it is about; ``""`` for the run itself.
        seq: place in the log, 1, 2, 3 …, dense; 0 until the world has stored it.
        op: number of the op that it records or answers; 0 for events without one.
        digest: of the op that it records (creations and ``hook_disposed``), else empty.
        name: step name, hook token, mailbox of ``message_sent``, or error code of ``run_failed``.
        attempt: of ``step_started``, ``step_retrying``, ``step_completed``, ``step_failed``; 1 in a ``step_created``
            whose first attempt the turn begins with it, which spares a ``step_started``; 1 in a ``hook_created`` whose
            ``ref`` says what it takes, see :attr:`takes`.
        due: when a wait ends, when a retry may start, by when a run that is being cancelled ends, the deadline that a
            ``run_failed`` missed, that of a ``step_created`` for its outcome, the one that a ``step_failed`` without a
            payload missed, or, of a ``hook_created``, for how many milliseconds its token stays reserved once
            the hook is gone.
        ref: another thing concerned: owner run of ``hook_conflict``, the run that a ``hook_created`` watches or
            what it takes (:attr:`takes`), resume id of ``hook_received`` (the watched run's id where a watching
            hook receives), the sender's id of ``message_sent``, the reason of ``run_cancelling`` and
            ``run_cancelled``, the worker of ``step_started`` and of a ``step_created`` with an attempt; of ``attr_set``
            a JSON object of attributes, null for those that go;
            why a step is blocked; of a ``step_created`` without an attempt the time by which its first one must begin,
            of a ``step_failed`` without a payload ``start`` or ``close``, after the deadline that was missed; of
            ``run_started`` the address of the HTTP front door.
            Of ``run_retried`` *ref* is the seq of the event that is taken back, *op* the first op that is void, and
            *name* the id of the step that is tried again; see :mod:`torpor.model.standing`.
        payload: arguments, step input, result, error, hook payload, hook metadata or message.
    """

    type: EventType
    at: int
    id: str = ""
    seq: int = 0
    op: int = 0
    digest: bytes = b""
    name: str = ""
    attempt: int = 0
    due: int = 0
    ref: str = ""
    payload: bytes | None = None

    @property
    def watches(self) -> str:
        """The run whose end a hook that this event creates awaits, ``""`` for none."""
        return self.ref if self.type == "hook_created" and not self.attempt else ""

    @property
    def takes(self) -> str:
        """What a hook takes that this event creates, as :attr:`torpor.model.Hook.takes` says it."""
        return self.ref if self.type == "hook_created" and self.attempt else ""


class LogEntry(msgspec.Struct, frozen=True):
    """
    One line of a run's own log.

    Attributes:
        n: 1, 2, 3 … for lines that workflow code wrote; negative for the engine's notes, unique in the run.
        at, level, text: when, how grave (``debug info warn error``) and what.
    """

    n: int
    at: int
    level: str
    text: str


class Snapshot(msgspec.Struct, frozen=True):
    """
    VM state after consuming events 1 … cursor.

    Attributes:
        cursor: seq of the last event that the VM has consumed; later inputs are delivered after a restore.
        ops: ops that the VM had emitted.
        logs: log lines that the VM had emitted.
        image: hash of the image that the delta refers to.
        at: when it was taken.
        data: envelope of the delta.
    """

    cursor: int
    ops: int
    logs: int
    image: str
    at: int
    data: bytes
