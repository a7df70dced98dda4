"""How much a worker does at once, and how its turns behave."""

from __future__ import annotations

import sys

import msgspec

from torpor import limits
from torpor.engine.images import IMAGES_KEPT
from torpor.processes.cores import available_cores

_OTHER_DESCRIPTORS = 64  # the world's files, compiled code, the event loop, logs


class TurnOptions(msgspec.Struct, frozen=True):
    """
    How turns behave.

    Attributes:
        inline_steps: how many steps of one run its turn runs itself at once.
        inline_ms: how long a turn waits for them, with its VM hot, before it parks and they become tasks,
        hurried_ms: and how long when something has come for its run meanwhile, others need its place, or it waits for
            timers alone.
        nap_ms: a run whose next timer ends within so long waits for it with its VM hot, unless others need its place.
        hot_ms: a run that has been hot for so long goes to sleep as soon as it can while others wait for a turn,
        hot_events: and so does one that has got so many events.
        share_events: so many it gets in any case, unless its steps take their time: on a busy machine it is slow to get
            anywhere, and going to sleep and waking would be most of what all do.
        snapshot_events: a hot VM is snapshotted at least every so many delivered events.
        snapshot_ms: and at least this often.
    """

    inline_steps: int = limits.INLINE_STEPS_MAX
    inline_ms: int = 2_000
    hurried_ms: int = 50
    nap_ms: int = 20
    hot_ms: int = 100
    hot_events: int = 200
    share_events: int = 10
    snapshot_events: int = 50
    snapshot_ms: int = 2_000


class WorkerSettings(msgspec.Struct, frozen=True):
    """
    How much a worker does at once; of several processes each does so much.

    Attributes:
        turns: runs that are awake at once; each holds a VM.
        steps: steps that run at once.
        step_threads: of these, ``def`` steps.
        vm_threads: threads that run VMs, besides those whose VM computes for long. On Linux a guest keeps the GIL
            (:mod:`torpor.vm.ticker`), and a second thread would mostly wait for it.
        lease_ms: a worker that was not heard of for so long counts as dead.
        heartbeat_ms: how often it is heard of. At least every second it looks whether workers on its machine still run.
        upkeep_ms: how often it puts guest builds that runs have come to need into the world.
        queues: names of the queues whose runs and steps it takes, ``""`` for those of none; None for all.
        grace_seconds: how long stopping waits for steps that run.
        turn: how turns behave.
    """

    turns: int = 16
    steps: int = 512
    step_threads: int = 32
    vm_threads: int = 1 if sys.platform == "linux" else max(2, available_cores())
    lease_ms: int = 15_000
    heartbeat_ms: int = 5_000
    upkeep_ms: int = 10_000
    queues: tuple[str, ...] | None = None
    grace_seconds: float = 10.0
    turn: TurnOptions = TurnOptions()

    @property
    def descriptors(self) -> int:
        """How many files a worker may come to have open: images, a file or socket for each step, and others."""
        return 2 * IMAGES_KEPT + self.steps + _OTHER_DESCRIPTORS
