"""The runs of a soak: what each of them should return, and who resumes or cancels it meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec

from torpor import RunHandle, StreamChunk, Torpor
from torpor.client import Client
from torpor.errors import EntityConflictError, HookNotFoundError, WorkflowNotRegisteredError, WorldError
from torpor.model import Runtime

CANCELLED: Final = "cancelled"
"""What is expected of a run that is cancelled."""

BY_NAME: Final = 0.4
"""Share of runs that are started without the application."""

REPLAYED: Final = 0.15
"""Share of runs that take no snapshots."""


class Expected(msgspec.Struct):
    """
    A run that was started.

    Attributes:
        workflow: its short name.
        args: its arguments.
        result: what it should return, :data:`CANCELLED` if it is to be cancelled.
        children: how many runs it starts.
    """

    workflow: str
    args: list[Any]
    result: Any
    children: int = 0


class Population:
    """
    Starts runs of all kinds and plays the outside world for them.

    Args:
        app: the application, open and without a worker.
        other: a second client of the same world, as another process would be one.
        dice: which runs, and when something happens to them.
        seed: tells the tokens of this soak from others'.

    Attributes:
        expected: what was started, by run id.
        done: what the outside world did, counted.
        faults: what it saw that must not be.
    """

    def __init__(self, app: Torpor, other: Client, dice: random.Random, seed: int) -> None:
        self.expected: dict[str, Expected] = {}
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._app = app
        self._other = other
        self._dice = dice
        self._seed = seed
        self._players: list[asyncio.Task[None]] = []
        self._shapes: tuple[Callable[[str], Expected], ...] = (
            self._seq, self._fan, self._hooked, self._timers, self._parent, self._retry, self._stay, self._race,
            self._told,
        )  # fmt: skip

    async def grow(self, count: int, seconds: float) -> None:
        """Start so many runs in so many seconds."""
        for n in range(count):
            shape = self._shapes[n % len(self._shapes)]
            token = f"{self._seed}-{len(self.expected)}"
            expected = shape(token)
            runtime: Runtime = "replay" if self._dice.random() < REPLAYED else "snapshot"
            language = self._dice.choice(("js", "py"))
            expected.workflow = f"{expected.workflow}_{language}"
            run = await self._start(expected, runtime)
            self.expected[run.id] = expected
            self._players.append(asyncio.create_task(self._play(run, expected, token)))
            await asyncio.sleep(seconds / count)

    async def _start(self, expected: Expected, runtime: Runtime) -> RunHandle:
        """Start a run of this process's program, or of the newest deployment that a living worker brings."""
        if self._dice.random() < BY_NAME:
            try:
                run = await self._other.start(expected.workflow, *expected.args, runtime=runtime)
            except WorkflowNotRegisteredError:  # none lives at this moment
                pass
            else:
                self.done["started by name"] += 1
                return run
        return await self._app.start(expected.workflow, *expected.args, runtime=runtime)

    async def played(self) -> None:
        """Return when the outside world has done all that it does to the runs so far."""
        await asyncio.gather(*self._players)

    # Kinds of runs

    def _seq(self, _token: str) -> Expected:
        n = self._dice.randint(1, 25)
        return Expected("seq", [n], sum(range(n)))

    def _fan(self, _token: str) -> Expected:
        n = self._dice.randint(2, 30)
        return Expected("fan", [n], [2 * i for i in range(n)])

    def _hooked(self, token: str) -> Expected:
        return Expected("hooked", [token], [11, 12, 13])

    def _timers(self, _token: str) -> Expected:
        ms = [self._dice.randint(0, 6_000) for _ in range(self._dice.randint(1, 6))]
        return Expected("timers", [ms], [m + 1 for m in ms])

    def _parent(self, _token: str) -> Expected:
        n = self._dice.randint(1, 4)
        return Expected("parent", [n], [2 * i for i in range(n)], children=n)

    def _retry(self, _token: str) -> Expected:
        return Expected("retry", [self._dice.randint(0, 4)], 112)

    def _stay(self, token: str) -> Expected:
        return Expected("stay", [token], CANCELLED)

    def _race(self, _token: str) -> Expected:
        return Expected("race", [self._dice.randint(0, 3_000)], 3)

    def _told(self, _token: str) -> Expected:
        n = self._dice.randint(1, 80)
        return Expected("told", [n], n)

    # The outside world

    async def _play(self, run: RunHandle, expected: Expected, token: str) -> None:
        match expected.workflow.split("_")[0]:
            case "hooked":
                for i in range(3):
                    same = self._dice.random() < 0.5  # two senders of one payload, or of two
                    ids = (f"{token}:{i}", f"{token}:{i}" if same else f"{token}:{i}:b")
                    senders = zip((self._app.client, self._other), ids, strict=True)
                    await asyncio.gather(*(self._resume(sender, run, token, i, resume) for sender, resume in senders))
            case "told":
                await self._follow(run, expected.result)
            case "stay":
                await asyncio.sleep(self._dice.uniform(0, 10))
                await self._cancel(run)
            case "race":
                await asyncio.sleep(expected.args[0] / 1000 + self._dice.uniform(-0.3, 1.5))
                if await self._cancel(run):
                    expected.result = CANCELLED

    async def _follow(self, run: RunHandle, count: int) -> None:
        """Follow a run's stream to its end, through whatever cuts it, and see that nothing is lost or doubled."""
        far, seen = self._other.run(run.id), list[StreamChunk]()
        while True:
            try:
                async for chunk in far.stream(start=len(seen)).chunks():
                    seen.append(chunk)  # what was seen stays when the reading is broken off
                if (await far.info()).ended_at and await far.stream().tail_index() < len(seen):
                    break
            except WorldError:  # nobody has answered for long
                self.done["followed on"] += 1
            await asyncio.sleep(0.5)
        stored = [chunk async for chunk in run.stream().chunks()]
        if [(each.index, each.value, each.attempt) for each in seen] != [
            (each.index, each.value, each.attempt) for each in stored
        ]:
            self.faults.append(f"run {run.id}: a reader saw {seen}, and the stream has {stored}")
        last = [value async for value in run.stream(attempts="last")]
        if last != list(range(count)):
            self.faults.append(f"run {run.id}: its stream is {last} instead of 0 … {count - 1}")
        self.done["followed"] += 1

    async def _resume(self, sender: Client, run: RunHandle, token: str, i: int, resume: str) -> None:
        """Resume a hook once it is there, unless the other sender was first and it is gone again."""
        name = f"{token}:{i}"
        while True:
            try:
                await sender.resume_hook(name, {"v": 10 + i}, resume_id=resume)
            except HookNotFoundError:
                log = await run.events()
                hooks = {event.id for event in log if event.type == "hook_created" and event.name == name}
                if any(event.type == "hook_received" and event.id in hooks for event in log):
                    return
                await asyncio.sleep(0.05)
            else:
                self.done["resumed"] += 1
                return

    async def _cancel(self, run: RunHandle) -> bool:
        try:
            await run.cancel("enough")
        except EntityConflictError:
            self.done["cancelled too late"] += 1
            return False
        self.done["cancelled"] += 1
        return True
