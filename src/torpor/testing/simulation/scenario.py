"""
One seed: a world, its processes and its weather, from the first run to the end of the last one.

During the storm things go wrong as :mod:`.weather` says. When it is over, workers are started where they are missing,
and every run must come to its end in virtual time.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from random import Random
from typing import Any, Final

import msgspec

from torpor.client import Client
from torpor.codec.crypto.keys import KEY_BYTES, Keyring
from torpor.engine.images import program_key
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Runtime
from torpor.testing.simulation.audit import Audit
from torpor.testing.simulation.clients import Clients
from torpor.testing.simulation.clocks import ProcessClock
from torpor.testing.simulation.forks import Forks
from torpor.testing.simulation.machinery import Machine, make_machinery
from torpor.testing.simulation.scheduler import Process, Scheduler
from torpor.testing.simulation.script import Script, make_script
from torpor.testing.simulation.steps import Ledger, signatures
from torpor.testing.simulation.store import SimulatedWorld, as_world
from torpor.testing.simulation.story import Listener, Story, run_log
from torpor.testing.simulation.substitutes import replaced
from torpor.testing.simulation.weather import Weather
from torpor.testing.simulation.workers import Place, Surroundings
from torpor.vm.guest import program_bytes, program_id
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.memory.store import Store

_MAIL_EVERY: Final = 4
_FORKS_EVERY: Final = 8
"""In every so many worlds runs are sent messages; the others tell the stories that they told before."""

_SECOND_US: Final = 1_000_000
_PATIENCE_US: Final = 1_200 * _SECOND_US
"""How long after the storm the last run may go on."""

_FAULTS_MAX: Final = 20
_RUNTIMES: Final[tuple[Runtime, ...]] = ("snapshot", "snapshot", "snapshot", "replay")


class Outcome(msgspec.Struct, frozen=True):
    """
    What became of a seed.

    Attributes:
        seed: which.
        faults: what is wrong, a line each; empty when all is well.
        story: what happened, when it was asked for.
        happened: how often what did, such as faults and actions.
    """

    seed: int
    faults: tuple[str, ...]
    story: tuple[str, ...] = ()
    happened: dict[str, int] = {}


def simulate(seed: int, *, machine: Machine = "model", tell: bool = False) -> Outcome:
    """
    Simulate the world number *seed*; the same seed gives the same outcome, and the same story to the byte.

    Args:
        seed: which.
        machine: VMs by model, or real ones.
        tell: return the story too.
    """
    collecting = gc.isenabled()
    gc.disable()  # a coroutine of a killed process must not come to its end in the middle of another's
    try:
        return _Simulation(seed, machine, tell=tell).run()
    finally:
        gc.collect(0)  # all that is left of this one is young; nobody else might ever look for it
        if collecting:
            gc.enable()


class _Simulation:
    """One seed on its way."""

    def __init__(self, seed: int, machine: Machine, *, tell: bool) -> None:
        self._seed = seed
        self._tells = tell
        self._faults: list[str] = []
        self._dice = dice = Random(f"torpor {seed}")  # noqa: S311  # a simulation, not a secret
        self._scheduler = scheduler = Scheduler(Random(f"schedule {seed}"))  # noqa: S311  # as above
        self._story = Story(lambda: scheduler.now_us, silent=not tell)
        self._weather = Weather(dice)
        # What an archive keeps does not tell the auditor what a fork has gone through.
        self._forks = seed % _FORKS_EVERY == _FORKS_EVERY - 5 and "archive" not in self._weather.rates
        self._scripts = _make_scripts(dice, mail=seed % _MAIL_EVERY == 1)
        self._machineries = make_machinery(machine, self._scripts, signatures(), self._found)
        self._store = Store("memory://")
        self._keyring = keyring = Keyring([dice.randbytes(KEY_BYTES)] if dice.random() < 0.25 else ())
        for program in [each.program for each in self._machineries]:
            key = program_key(program_id(program), keyring.current)
            blob_codec = keyring.blob(key, keyring.current)
            self._store.blobs[key] = blob_codec.pack_binary(program_bytes(program))
        self._audit = Audit(self._store, self._machineries[-1], keyring, self._found)
        self._server = scheduler.process("server")
        self._server_clock = ProcessClock(scheduler)
        self._places = self._make_places()
        self._clients, self._served = self._make_clients(), False

    def run(self) -> Outcome:
        """Let it happen."""
        scheduler, story = self._scheduler, self._story
        story.tell("", f"seed {self._seed}:", self._weather.describe())
        handler = Listener(story, scheduler.running_name, self._found)
        handler.setLevel(logging.INFO if self._tells else logging.ERROR)
        storm_seconds = self._dice.choice((2, 5, 12))
        with replaced(self._dice, handler):
            self._start("director", self._direct(storm_seconds))
            over = scheduler.run(self._is_over, storm_seconds * _SECOND_US + _PATIENCE_US)
            scheduler.close()
        self._judge(over=over)
        lines = story.lines()
        if self._tells:
            for rows in self._store.runs.values():
                lines += run_log(rows.run, self._audit.log(rows.run.id))
        return Outcome(self._seed, tuple(self._faults), tuple(lines), dict(self._weather.happened))

    # Who is there

    def _make_places(self) -> list[Place]:
        surroundings = Surroundings(
            scheduler=self._scheduler,
            dice=self._dice,
            weather=self._weather,
            story=self._story,
            ledger=Ledger(self._store, self._found),
            machineries=self._machineries,
            keyring=self._keyring,
            open_world=self._open_world,
            found=self._found,
        )
        return [Place(f"worker {n + 1}", surroundings) for n in range(self._dice.choice((1, 1, 2, 2, 3)))]

    def _make_clients(self) -> Clients:
        process = self._scheduler.process("clients")
        client = Client(as_world(self._open_world(process, ProcessClock(self._scheduler))), self._keyring)
        # What is started by the old version outlives it.
        workflows = self._machineries[0 if "worker is old" in self._weather.rates else -1].workflows
        clients = Clients(
            process,
            client,
            self._store,
            self._weather,
            self._scripts,
            workflows,
            self._story,
            self._found,
            Forks(client, self._machineries, self._found) if self._forks else None,
        )
        runs: list[tuple[str, str, Runtime]] = [
            (self._dice.choice(("main", "main", "other")), f"run-{n + 1}", self._dice.choice(_RUNTIMES))
            for n in range(self._dice.choice((1, 1, 2, 3)))
        ]

        async def serve() -> None:
            await clients.serve(runs)
            self._served = True

        process.call_soon(lambda: process.create_task(serve()))
        return clients

    def _open_world(self, process: Process, clock: ProcessClock) -> SimulatedWorld:
        """Return the world as a process sees it; one on a server has the server's time."""
        decides = self._server_clock if self._weather.remote else clock
        inner = MemoryWorld("memory://", decides, self._store)
        return SimulatedWorld(inner, clock, process, self._server, self._weather, self._audit, self._story)

    def _start(self, name: str, main: Coroutine[Any, Any, None]) -> None:
        process = self._scheduler.process(name)
        process.call_soon(lambda: process.create_task(main))

    # What happens

    async def _direct(self, storm_seconds: int) -> None:
        """Let things go wrong once a second while the storm lasts, and start workers where they are missing."""
        random = self._scheduler.random
        second = 0
        while True:
            if second == storm_seconds:
                self._end_storm()
            for place in self._places:
                if place.is_empty:
                    if second == 0 or random.random() < 0.3:
                        place.begin()
                else:
                    self._disturb(place)
            self._disturb_all()
            second += 1
            await asyncio.sleep(1)

    def _end_storm(self) -> None:
        self._weather.is_over = True
        self._story.tell("", "the storm is over")
        for place in self._places:
            if not place.is_up_to_date:
                place.stop()

    def _disturb_all(self) -> None:
        random = self._scheduler.random
        clocks = [self._server_clock, *(place.clock for place in self._places)]
        if self._weather.happens("clock jump"):
            ms = random.choice((-20_000, -300, 300, 20_000))
            self._story.tell("", f"clocks jump by {ms} ms")
            for clock in clocks if self._weather.remote or random.random() < 0.5 else [random.choice(clocks)]:
                clock.jump(ms)

    def _disturb(self, place: Place) -> None:
        random = self._scheduler.random
        if self._weather.happens("kill at any time"):
            place.kill_at(random.random())
        elif self._weather.happens("freeze"):
            place.freeze(random.choice((0.5, 3.0, 8.0, 15.0)))
        elif self._weather.happens("stop"):
            place.stop()

    # What must be

    def _is_over(self) -> bool:
        if len(self._faults) >= _FAULTS_MAX:
            return True
        return self._served and all(rows.run.status in RUN_TERMINAL for rows in self._store.runs.values())

    def _judge(self, *, over: bool) -> None:
        """See whether all that was promised was kept."""
        store = self._store
        if not over:
            late = [f"{rows.run.id} is {rows.run.status}" for rows in store.runs.values() if not rows.run.ended_at]
            self._found(f"not everything came to its end: {', '.join(late) or 'the clients wait'}")
            return
        self._audit.close()
        for run_id, resume_id in self._clients.received:
            if not any(event.type == "hook_received" and event.ref == resume_id for event in self._audit.log(run_id)):
                self._found(f"{run_id}: it has lost {resume_id!r}, which was accepted")
        for run_id in {run_id for run_id, _ in self._clients.sent}:
            told = [message for whose, message in self._clients.sent if whose == run_id]
            for name in {message.partition(" ")[0] for message in told}:
                kept = [event.ref for event in self._audit.log(run_id) if event.name == name and event.ref in told]
                if kept != [message for message in told if message.startswith(f"{name} ")]:
                    self._found(f"{run_id}: of messages that were accepted it has {kept} in mailbox {name}")
        for run_id in self._clients.cancelled:
            if store.runs[run_id].run.status != "cancelled":
                self._found(f"{run_id}: its cancellation was accepted, and it is {store.runs[run_id].run.status}")
        if store.tokens or store.ready or any(store.claims.values()):
            self._found(f"left when all is over: {store.tokens}, {store.ready}, {store.claims}")

    def _found(self, fault: str) -> None:
        if len(self._faults) < _FAULTS_MAX:
            self._story.tell("", f"FAULT: {fault}")
            self._faults.append(fault)


def _make_scripts(dice: Random, *, mail: bool) -> dict[str, Script]:
    return {
        "leaf": make_script(dice, (), 2, mail=mail),
        "middle": make_script(dice, ("leaf",), 2, mail=mail),
        "main": make_script(dice, ("leaf", "middle"), 5, mail=mail),
        "other": make_script(dice, ("leaf",), 3, mail=mail),
    }
