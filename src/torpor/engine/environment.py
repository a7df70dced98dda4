"""What the turns of one worker share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from torpor.clock import Clock
from torpor.codec.crypto.keys import Keyring
from torpor.engine.attempts import Attempt
from torpor.engine.images import Images
from torpor.engine.impatience import Impatience
from torpor.engine.observer import Observer
from torpor.engine.runner import Runner
from torpor.engine.settings import TurnOptions
from torpor.engine.step_deadlines import Deadlines
from torpor.engine.tenancy import Tenancy
from torpor.engine.threads import VmThreads
from torpor.model import Event, Finished, Task
from torpor.model.flow import Place
from torpor.world import World


class Environment(msgspec.Struct, frozen=True):
    """
    What the turns of one worker share.

    Attributes:
        world, keyring: as the worker's.
        clock: the world's.
        worker_id: who claims.
        images: programs ready to run.
        runner: where steps run.
        threads: where VMs run.
        options: how turns behave.
        report: stores the outcome of a step that was handed over, by worker id, claim and event.
        allows: whether workflow code may call a step although its program does not name it.
        deadlines: says by when a step must begin and end, by its full name.
        why_not: says why an attempt is for another worker, ``""`` when it may be made here.
        is_once: says of a step, by name, whether its attempts must not be made again when nobody knows how they ended.
        place_of: says in which queue of its own an attempt waits, None when it may be made at once.
        is_apart: says of a step, by name, whether it is always a task of its own.
        finished: returns, once, what an attempt that has ended has stored of its outcome itself.
        tenancy: tells the tenants of runs.
        leave: is told of a step that is for another worker, so that this one does not claim it for a while.
        observe: is told what a turn does, and each failpoint that it passes.
        host_failed: told what this host lacks, so that the worker claims nothing for a while.
        url: address of the HTTP front door, ``""`` when there is none.
        stopping: True once turns should park as soon as they can.
        crowded: True while runs wait for a turn that no other than those at work could give them.
        impatience: tells a turn that listens to its steps when it is to go to sleep.
    """

    world: World
    clock: Clock
    keyring: Keyring
    worker_id: str
    images: Images
    runner: Runner
    threads: VmThreads
    options: TurnOptions
    report: Callable[[str, Task, Event], None]
    allows: Callable[[str], bool]
    deadlines: Callable[[str], Deadlines]
    why_not: Callable[[Attempt], str]
    is_once: Callable[[str], bool]
    place_of: Callable[[Attempt], Place | None]
    is_apart: Callable[[str], bool]
    finished: Callable[[Attempt], Finished | None]
    tenancy: Tenancy
    leave: Callable[[str], int]
    observe: Observer
    host_failed: Callable[[Exception], None]
    url: str
    stopping: Callable[[], bool]
    crowded: Callable[[], bool]
    impatience: Impatience
