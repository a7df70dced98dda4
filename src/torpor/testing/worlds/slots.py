"""Schedules and firings at random."""

from __future__ import annotations

from random import Random
from typing import Final

from torpor.model import NewRun
from torpor.model.schedules import Firing, Overlap, Schedule, Start, Timing
from torpor.worlds import schedules as rules

_OVERLAPS: Final[tuple[Overlap, ...]] = ("skip", "buffer", "cancel", "allow")


def random_schedule(random: Random, app: str, name: str, now: int, version: int) -> Schedule:
    """Return a schedule whose slots come soon; of another version than the stored one, it is refused."""
    timing = random.choice((Timing(every_ms=1_000), Timing(at=now + random.randint(-5, 40))))
    return Schedule(
        app,
        name,
        "order",
        timing,
        b"devl[[],{}]",
        overlap=random.choice(_OVERLAPS),
        catch_up=random.choice((0, 1, 3)),
        jitter_ms=random.choice((0, 0, 7)),
        once=random.random() < 0.3,
        paused=random.random() < 0.1,
        note=random.choice(("", "why")),
        version=version,
    )


def random_firing(random: Random, schedule: Schedule, now: int) -> Firing:
    """Return what a worker starts of a schedule now, or what somebody starts beside its slots."""
    if random.random() < 0.3:
        return Firing(schedule, (_start(schedule, now),), None, random.choice((None, *_OVERLAPS)))
    slots = rules.wanted(schedule, now)
    return Firing(schedule, tuple(_start(schedule, slot) for slot in slots), now)


def _start(schedule: Schedule, slot: int) -> Start:
    run_id = rules.run_id(schedule, slot)
    return Start(slot, NewRun(run_id, "order", "5f" * 32, "quickjs", "snapshot", b"seed", b"devl[]", app=schedule.app))
