"""A place where workers run one after another: each is a process, which may be killed, frozen or stopped."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, cast

from torpor.client import Client
from torpor.codec.crypto.keys import Keyring
from torpor.engine.deployments import make_deployment
from torpor.engine.failpoints import Failpoint, InjectedError
from torpor.engine.observer import Observation, Retried
from torpor.engine.settings import TurnOptions, WorkerSettings
from torpor.engine.worker import Worker
from torpor.errors import HostError, SnapshotError, TorporError, WorldError
from torpor.model import Deployment
from torpor.testing.simulation.clocks import ProcessClock
from torpor.testing.simulation.machinery import LackingGuest, Machinery
from torpor.testing.simulation.scheduler import Process, Scheduler
from torpor.testing.simulation.steps import DEFINITIONS, Bench, Ledger, SimulatedSteps
from torpor.testing.simulation.store import SimulatedWorld, as_world
from torpor.testing.simulation.story import Story, where
from torpor.testing.simulation.weather import Weather
from torpor.vm.guest import Guest
from torpor.vm.manifest import StoredBuild

_MAY_FAIL: Final = frozenset(Failpoint) - {Failpoint.AFTER_CLAIM}
"""Where an error of Torpor's own is tried again; at the other nothing can fail."""


class BugError(Exception):
    """An error of the engine's own that the simulation has planted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What all workers of one simulation have in common.

    Attributes:
        dice: says how workers are set up.
        open_world: returns the world as a process sees it, whose clock is given.
        found: told what is wrong.
    """

    scheduler: Scheduler
    dice: Random
    weather: Weather
    story: Story
    ledger: Ledger
    machineries: Sequence[Machinery]
    keyring: Keyring
    open_world: Callable[[Process, ProcessClock], SimulatedWorld]
    found: Callable[[str], None]


class Place:
    """
    Where one worker runs at a time.

    Args:
        name: for the story.
        surroundings: all else.

    Attributes:
        clock: of its machine.
    """

    def __init__(self, name: str, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._name = name
        self._begun = 0
        self._lacks: Sequence[str] = ()
        self._installed = surroundings.machineries[-1]
        self._keyring = surroundings.keyring
        self._process: Process | None = None
        self._stop: asyncio.Event | None = None
        skew = surroundings.weather.skew_ms
        self.clock = ProcessClock(surroundings.scheduler, surroundings.dice.randint(-skew, skew))
        self._settings = _settings(surroundings.dice)

    @property
    def is_empty(self) -> bool:
        """Whether no worker runs here."""
        return self._process is None or self._process.dead

    def begin(self) -> None:
        """Start a worker."""
        self._begun += 1
        old = self._around.weather.happens("worker is old")
        self._installed = self._around.machineries[0 if old else -1]
        keyless = self._around.weather.happens("worker lacks key")
        self._keyring = Keyring() if keyless else self._around.keyring
        self._lacks = self._some_steps() if self._around.weather.happens("worker lacks steps") else ()
        self._process = process = self._around.scheduler.process(f"{self._name}.{self._begun}")
        self._around.story.tell(process.name, "begins")
        process.call_soon(lambda: process.create_task(self._work(process)))

    @property
    def is_up_to_date(self) -> bool:
        """Whether the worker that runs here has all steps as programs know them, the newest guest build and the key."""
        around = self._around
        return not self._lacks and self._installed is around.machineries[-1] and self._keyring is around.keyring

    def kill_at(self, seconds: float) -> None:
        """Kill the worker so much later."""
        if self._process is not None:
            asyncio.get_running_loop().call_later(seconds, self._kill, self._process)

    def freeze(self, seconds: float) -> None:
        """Let the worker get on with nothing for so long."""
        process = self._process
        if process is not None and not process.frozen:
            self._around.story.tell(process.name, f"is frozen for {seconds:.1f} s")
            process.freeze()
            asyncio.get_running_loop().call_later(seconds, self._thaw, process)

    def stop(self) -> None:
        """Ask the worker to stop."""
        if self._process is not None and self._stop is not None:
            self._around.story.tell(self._process.name, "is to stop")
            self._process.call_soon(self._stop.set)

    def _some_steps(self) -> Sequence[str]:
        random = self._around.scheduler.random
        return random.sample(list(DEFINITIONS), random.randint(1, 4))

    def _kill(self, process: Process) -> None:
        if not process.dead:
            self._around.story.tell(process.name, "is killed")
            process.kill()

    def _thaw(self, process: Process) -> None:
        self._around.story.tell(process.name, "goes on")
        process.thaw()

    async def _work(self, process: Process) -> None:
        """Be the main function of a worker's process."""
        around = self._around
        world = around.open_world(process, self.clock)
        client = Client(as_world(world), self._keyring)
        workflows = self._installed.workflows
        process.inside = Bench(process, around.ledger, client, workflows, around.story)
        steps = SimulatedSteps(self._lacks[:2], self._lacks[2:])
        deployment = make_deployment("", workflows, steps.signatures())
        self._stop = asyncio.Event()

        made = {
            each.guest.manifest: cast("Guest", LackingGuest(each, lambda what: self._before(process, what)))
            for each in around.machineries
        }

        def guests(_name: str, stored: StoredBuild | None = None, /) -> Guest:
            return made[self._installed.guest.manifest if stored is None else stored.manifest]

        async def deploy() -> Deployment:
            return deployment

        worker = Worker(
            as_world(world),
            guests,
            steps,
            self._settings,
            keyring=self._keyring,
            guest_names=[self._installed.guest.name],
            deployment=deploy,
            programs=lambda _: self._installed.program,
            observers=[lambda observation: self._observe(process, observation)],
        )
        try:
            await worker.start()
            await self._stop.wait()
            await worker.stop()
        except WorldError as error:
            around.story.tell(process.name, "ends with", error)
        around.story.tell(process.name, "ends")
        process.kill()

    def _observe(self, process: Process, observation: Observation) -> None:
        """Kill the worker at a failpoint, or let it fail there; what fails of itself is a fault."""
        match observation:
            case Failpoint():
                self._pass(process, observation)
            case Retried(what=what, error=error) if not isinstance(error, (TorporError, BugError)):
                self._around.found(f"{process.name}: {what} failed{where(error)}")

    def _pass(self, process: Process, point: Failpoint) -> None:
        weather = self._around.weather
        if point is weather.deadly and weather.happens("kill at a failpoint"):
            weather.happened[f"kill {point}"] += 1
            self._around.story.tell(process.name, f"is killed {point}")
            process.kill()
        if point in _MAY_FAIL and weather.happens("bug"):
            self._around.story.tell(process.name, f"fails {point}")
            raise InjectedError(BugError("an error of Torpor's own, in a simulation"))

    def _before(self, process: Process, what: str) -> None:
        """Raise what the host refuses, or what is wrong with a snapshot."""
        weather = self._around.weather
        if what == "restore" and weather.happens("snapshot damaged"):
            raise SnapshotError("the simulated snapshot is damaged")
        if weather.happens("host lacks something"):
            self._around.story.tell(process.name, f"cannot {what}")
            raise self._around.scheduler.random.choice(
                (
                    HostError("no memory, says the simulated host"),
                    MemoryError(),
                    OSError(errno.EMFILE, "too many files"),
                )
            )


def _settings(dice: Random) -> WorkerSettings:
    inline_steps, inline_ms = dice.choice((1, 2, 16)), dice.choice((0, 20, 50, 500, 2_000))
    turn = TurnOptions(
        inline_steps=inline_steps,
        inline_ms=inline_ms,
        hurried_ms=dice.choice((0, 20, 50)),
        nap_ms=min(inline_ms, 50),  # no draw of its own, so that seeds stay what they are
        snapshot_events=dice.choice((1, 5, 50)),
        snapshot_ms=dice.choice((10, 2_000)),
    )
    heartbeat_ms = dice.choice((700, 2_000))
    return WorkerSettings(
        turns=dice.choice((1, 2, 8)),
        steps=dice.choice((2, 8, 32)),
        step_threads=2,
        vm_threads=dice.choice((1, 2)),
        lease_ms=3 * heartbeat_ms,
        heartbeat_ms=heartbeat_ms,
        upkeep_ms=dice.choice((1_000, 60_000)),
        grace_seconds=dice.choice((0.1, 2.0)),
        turn=turn,
    )
