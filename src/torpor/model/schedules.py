"""Schedules: when runs of a workflow are started, and what became of that so far."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from torpor.model.runs import NewRun

Overlap = Literal["skip", "buffer", "cancel", "allow"]
"""What becomes of a slot whose predecessor's run has not ended; see :class:`Schedule`."""

NEVER: Final = 0
"""In place of a slot: there is none."""


class Timing(msgspec.Struct, frozen=True):
    """
    When the slots of a schedule are; one of the three is set.

    Attributes:
        cron: expression of five fields, or of six with the seconds first.
        zone: IANA name of the time zone that *cron* is told in.
        every_ms: a slot at every whole multiple since the epoch.
        at: the only slot.
    """

    cron: str = ""
    zone: str = "UTC"
    every_ms: int = 0
    at: int = 0


class Schedule(msgspec.Struct, frozen=True):
    """
    A rule that starts runs, each for one *slot*: a moment that its timing names.

    Attributes:
        app, name: which.
        workflow: full or short name of what is started; the newest live deployment says what that is.
        timing: when.
        arguments: envelope of positional and keyword arguments, as ``[[…], {…}]``.
        digest: of that before it was encrypted; equal ones stand for equal arguments.
        key_id: of the key that it is encrypted under, ``""`` for none.
        slot_as: name of the argument that gets the slot, ``""`` when none does.
        overlap: of a slot whose predecessor's run has not ended: ``skip`` it; ``buffer`` the first such until that run
            ends, and skip the others; ``cancel`` that run; or ``allow`` both to run.
        catch_up: how many of the slots that passed while no worker was at work are made up for; the newest.
        jitter_ms: a slot's run is started up to so much later, always equally for the same slot.
        once: it is forgotten when it has no slot any more.
        latest: past what time its one slot is not put off, 0 for none.
        declared: it is written in the application's code, whose workers keep it as it says there.
        paused: nothing is started, and slots that pass are not made up for.
        note: why it is paused, for people.
        created_at: when.
        version: fence; grows with every change. 0 before it is stored.
        slot: the next one, :data:`NEVER` when there is none.
        due: when its run is to be started.
        moved_at: when the two were reckoned. A time in the future tells that the clock was put back.
        buffered: slot that waits for the end of *last_run*, :data:`NEVER` when none does.
        last_slot, last_run: of the newest run; the run may be gone.
        skipped: how many slots began no run because of *overlap*.
        problem: why no run could be started when one was due, ``""`` when nothing was wrong.
    """

    app: str
    name: str
    workflow: str
    timing: Timing
    arguments: bytes
    digest: bytes = b""
    key_id: str = ""
    slot_as: str = ""
    overlap: Overlap = "skip"
    catch_up: int = 1
    jitter_ms: int = 0
    once: bool = False
    latest: int = 0
    declared: bool = False
    paused: bool = False
    note: str = ""
    created_at: int = 0
    version: int = 0
    slot: int = NEVER
    due: int = 0
    moved_at: int = 0
    buffered: int = NEVER
    last_slot: int = NEVER
    last_run: str = ""
    skipped: int = 0
    problem: str = ""

    @property
    def id(self) -> str:
        """What tells it from the schedules of all applications."""
        return f"schedule//{self.app}//{self.name}"

    @property
    def wakes_at(self) -> int | None:
        """When it is due, None when time alone does not make it so."""
        return self.due if self.slot != NEVER and not self.paused else None


class Start(msgspec.Struct, frozen=True):
    """A run to be started for a slot."""

    slot: int
    run: NewRun


class Firing(msgspec.Struct, frozen=True):
    """
    What is to be started of a schedule.

    Attributes:
        schedule: as it was read; nothing is stored when it has changed since.
        starts: runs in the order of their slots.
        now: by when its slots are over; None leaves the next slot as it is: a run is started beside them.
        overlap: in place of the schedule's own.
    """

    schedule: Schedule
    starts: tuple[Start, ...]
    now: int | None
    overlap: Overlap | None = None


class Fired(msgspec.Struct, frozen=True):
    """
    What became of a firing.

    Attributes:
        schedule: as it is now; None when nothing was stored.
        started, cancelled: ids of runs. One that there was already counts as started.
        skipped: slots that began no run.
    """

    schedule: Schedule | None
    started: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    cancelled: tuple[str, ...] = ()


class DueSchedules(msgspec.Struct, frozen=True):
    """
    Which schedules somebody must look at.

    Attributes:
        schedules: those that are due, or whose buffered slot's predecessor has ended, or that were reckoned by a clock
            which has been put back since.
        next_at: when the next of the others is due, None when none is.
    """

    schedules: tuple[Schedule, ...] = ()
    next_at: int | None = None
