"""Queues with limits: how much of what is in them goes on at the same time, and in a while."""

from __future__ import annotations

from typing import Literal

import msgspec

Slot = Literal["", "waits", "holds", "awake"]
"""
What a run has of its queue: nothing because it is in none, or it waits for a slot, or holds one until it ends, or one
while it is awake.
"""

Asleep = Literal["hold", "give_back"]


class Place(msgspec.Struct, frozen=True):
    """
    Where a step waits that has a queue of its own.

    Attributes:
        queue: name of the queue.
        key: of whom it is, ``""`` for nobody in particular.
        weight: how much of a rate it takes.
    """

    queue: str
    key: str = ""
    weight: int = 1


class Limits(msgspec.Struct, frozen=True):
    """
    What a queue allows; 0 stands for no limit.

    Attributes:
        concurrency: how many hold a slot at once.
        per_worker: how many of them at one worker.
        per_key: how many of them of one key.
        rate: how much weight begins in any *period_ms*.
        period_ms: the time of *rate*.
        asleep: whether a run holds its slot while it sleeps, or gives it back and waits for one when it wakes.
    """

    concurrency: int = 0
    per_worker: int = 0
    per_key: int = 0
    rate: int = 0
    period_ms: int = 1_000
    asleep: Asleep = "hold"


class QueueState(msgspec.Struct, frozen=True):
    """
    A queue as it is stored.

    Attributes:
        app, name: which.
        limits: what it allows.
        spent: weight that has begun lately, by the time of each part of a period, oldest first.
        served: key of what was taken last; the next claim begins behind it.
    """

    app: str
    name: str
    limits: Limits = Limits()
    spent: tuple[tuple[int, int], ...] = ()
    served: str = ""


class QueueInfo(msgspec.Struct, frozen=True):
    """
    A queue as people see it.

    Attributes:
        app, name, limits: which, and what it allows.
        waiting: how many runs and steps wait for a slot, those of the future included.
        held: how many have one.
    """

    app: str
    name: str
    limits: Limits
    waiting: int = 0
    held: int = 0
