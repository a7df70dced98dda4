"""
When schedules start runs: the rules that every world obeys, as pure functions.

A *slot* is a moment that a schedule's timing names. Its run is started when the slot is *due*, which is up to the
jitter later, and has an id that follows from schedule and slot: whoever starts it, and how often, it is one run.

::

    put       a schedule as its author wants it         fire      what one due slot does, beside the run before it
    wanted    the slots whose runs are to be started    moved     the schedule once the slots up to now are over

Cron expressions mean what Debian's cron makes of them (cronsim, see docs/adr/0043): a job at a fixed time that a clock
change skips is done right after the gap, one that the change repeats is done once, and one that names no hour goes by
hours as they pass.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from msgspec.structs import replace

from torpor import ids
from torpor.errors import ConfigurationError
from torpor.limits import CATCH_UP_MAX, SLOT_MS_LEAST
from torpor.model.schedules import NEVER, Overlap, Schedule, Timing

LATE_MS: Final = 60_000
"""A slot that became due so long ago has not just been missed by a worker that was busy."""

CLOCK_BACK_MS: Final = 5_000
"""A schedule that was reckoned so far in the future was reckoned by a clock that has been put back since."""

_HOUR_MS: Final = 3_600_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = 253_370_764_800_000  # the year 9999, where datetimes end
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_DONE: Final = ("created_at", "slot", "due", "moved_at", "buffered", "last_slot", "last_run", "skipped")
"""What a schedule has done, which nobody wants otherwise."""

Verdict = Literal["start", "skip", "buffer", "cancel"]


# Slots


def check_timing(timing: Timing) -> None:
    """
    Check that a timing names slots.

    Raises:
        ConfigurationError: it does not; the message says what to write.
    """
    if sum(map(bool, (timing.cron, timing.every_ms, timing.at))) != 1:
        raise ConfigurationError("a schedule has one of cron=, every= and at=")
    if timing.every_ms and timing.every_ms < SLOT_MS_LEAST:
        raise ConfigurationError(f"every= of a schedule is {timing.every_ms} ms; at least {SLOT_MS_LEAST} are allowed")
    if timing.cron:
        _zone(timing.zone)
        try:
            found = next(_cron_slots(timing, 0), NEVER)
        except CronSimError as error:
            raise ConfigurationError(
                f"{timing.cron!r} is no cron expression ({error}); write minute, hour, day of the month, month and day "
                "of the week, such as '30 9 * * MON-FRI', or seconds before them"
            ) from error
        if found == NEVER:
            raise ConfigurationError(f"{timing.cron!r} names no moment: no year has such a day")


def slots(timing: Timing, after: int) -> Iterator[int]:
    """Yield the slots after a time, in order; there may be no end of them."""
    if timing.at:
        yield from (timing.at,) if timing.at > after else ()
    elif timing.every_ms:
        yield from itertools.count((after // timing.every_ms + 1) * timing.every_ms, timing.every_ms)
    else:
        yield from _cron_slots(timing, after)


def first_after(timing: Timing, after: int) -> int:
    """Return the first slot after a time, :data:`NEVER` when there is none."""
    return next(slots(timing, after), NEVER)


def _cron_slots(timing: Timing, after: int) -> Iterator[int]:
    last = after
    begin = (_EPOCH + timedelta(milliseconds=after)).astimezone(_zone(timing.zone))
    for moment in CronSim(_NAMED.get(timing.cron.strip().lower(), timing.cron), begin):
        slot = (moment - _EPOCH) // timedelta(milliseconds=1)
        if slot > _END:
            return
        # In the hour that a clock change repeats, the first of two equal times may be over already.
        if slot > last:
            yield slot
            last = slot


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"there is no time zone {name!r} on this machine; write an IANA name, such as Europe/Berlin; where the "
            "system has no zones, pip install tzdata brings them"
        ) from error


def run_id(schedule: Schedule, slot: int) -> str:
    """Return the id of the run that a slot begins."""
    return ids.scheduled(schedule.id, slot)


def due_of(schedule: Schedule, slot: int) -> int:
    """Return when the run of a slot is to be started: before the next slot, and equally whoever asks."""
    if not schedule.jitter_ms:
        return slot
    following = first_after(schedule.timing, slot)
    most = schedule.jitter_ms if following == NEVER else min(schedule.jitter_ms, following - slot - 1)
    digest = hashlib.blake2b(f"{schedule.id}//{slot}".encode(), digest_size=8).digest()
    return slot + int.from_bytes(digest) % (most + 1)


# What becomes of a schedule


def put(stored: Schedule | None, wanted: Schedule, now: int) -> Schedule:
    """
    Return a schedule as it is to be stored, given what its author wants of it.

    What it has done so far stays. Its slots begin anew, after *now*, when they are others than before or were not
    counted while it was paused; the slot of a schedule that has only one may be over, and is due then.

    Args:
        stored: what there is.
        wanted: has the version of what there is.
        now: the time.
    """
    check_timing(wanted.timing)
    if not 0 <= wanted.catch_up <= CATCH_UP_MAX:
        raise ConfigurationError(f"catch_up={wanted.catch_up} of a schedule; 0 to {CATCH_UP_MAX} are allowed")
    anew = stored is None or (stored.timing, stored.jitter_ms) != (wanted.timing, wanted.jitter_ms)
    done = {"created_at": now} if stored is None else {field: getattr(stored, field) for field in _DONE}
    made = replace(wanted, version=wanted.version + 1, **done)
    if made.paused:
        made = replace(made, buffered=NEVER)
    if anew and made.timing.at:
        return _at(made, made.timing.at, now)
    if anew or (stored is not None and stored.paused and not wanted.paused and not wanted.timing.at):
        return _at(made, first_after(made.timing, now), now)
    return made


def wanted(schedule: Schedule, now: int) -> list[int]:
    """
    Return the slots whose runs are to be started, oldest first: one that was buffered, those that have become due, and
    of those that were missed the newest.
    """
    if schedule.paused:
        return []
    waiting = [schedule.buffered] if schedule.buffered != NEVER else []
    if schedule.slot == NEVER or schedule.due > now:
        return waiting
    late = now - LATE_MS
    due = [slot for slot in _newest(schedule, now) if due_of(schedule, slot) <= now]
    missed = [slot for slot in due if due_of(schedule, slot) <= late]
    made_up = missed[len(missed) - min(schedule.catch_up, len(missed)) :]
    return [*waiting, *made_up, *due[len(missed) :]]


def _newest(schedule: Schedule, now: int) -> list[int]:
    """Return the slots from the schedule's next one up to now, or as many of the newest as could be wanted."""
    window, begin = _HOUR_MS, schedule.slot - 1
    while True:
        # Backwards in windows that double: years of slots may have been missed, of which few are wanted.
        after = max(begin, now - window)
        found = list(itertools.takewhile(lambda slot: slot <= now, slots(schedule.timing, after)))
        enough = sum(slot <= now - LATE_MS - schedule.jitter_ms for slot in found) >= schedule.catch_up
        if after == begin or enough:
            return found
        window *= 2


def moved(schedule: Schedule, now: int) -> Schedule:
    """
    Return a schedule whose slots that are due by *now* are over.

    So is one whose clock was put back: slots that come again are those that have had their runs, which are not started
    a second time.
    """
    if schedule.timing.at:
        return _at(schedule, NEVER if due_of(schedule, schedule.timing.at) <= now else schedule.timing.at, now)
    after = now - schedule.jitter_ms - 1
    following = next((slot for slot in slots(schedule.timing, after) if due_of(schedule, slot) > now), NEVER)
    return _at(schedule, following, now)


def is_ahead(schedule: Schedule, now: int) -> bool:
    """Return whether a schedule was reckoned by a clock that has been put back since."""
    return schedule.moved_at > now + CLOCK_BACK_MS


def fire(schedule: Schedule, slot: int, *, busy: bool, overlap: Overlap | None = None) -> tuple[Verdict, Schedule]:
    """
    Return what a slot does, and the schedule after it.

    Args:
        schedule: as the slots before have left it.
        slot: which.
        busy: the run before it has not ended. After ``cancel`` the slot is asked for again, as one that is buffered.
        overlap: in place of the schedule's own.
    """
    if not busy:
        done = NEVER if slot == schedule.buffered else schedule.buffered
        started = replace(schedule, buffered=done, last_slot=slot, last_run=run_id(schedule, slot), problem="")
        return "start", started
    chosen = overlap or schedule.overlap
    if chosen == "allow":
        return fire(schedule, slot, busy=False)
    if slot == schedule.buffered:
        return "buffer", schedule
    if chosen == "cancel":  # the newest slot is the one that counts
        return "cancel", replace(schedule, buffered=slot, skipped=schedule.skipped + (schedule.buffered != NEVER))
    if chosen == "buffer" and schedule.buffered == NEVER:
        return "buffer", replace(schedule, buffered=slot)
    return "skip", replace(schedule, skipped=schedule.skipped + 1)


def _at(schedule: Schedule, slot: int, now: int) -> Schedule:
    due = due_of(schedule, slot) if slot != NEVER else 0
    return replace(schedule, slot=slot, due=due, moved_at=now)
