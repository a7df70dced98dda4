"""
The world as one simulated process sees it: what it asks for takes time, fails, or arrives when nobody waits any more.

Behind it is a memory world. Each operation is carried out at one moment of virtual time, before which and after which
the process may be killed or frozen; the auditor looks on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import msgspec

from torpor.clock import Clock
from torpor.errors import TorporError, WorldError
from torpor.model import Commit, Committed, Entities, Notice
from torpor.testing.simulation.scheduler import Process
from torpor.testing.simulation.story import Story
from torpor.testing.simulation.weather import Fault, Weather
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds.memory import MemoryWorld

SWEEP_MS: Final = 2_000
"""A world that has lost notices tells its listeners to look at everything, at most so much later."""

_BUSY: Final = 0.5
"""How often a store that is here has others' operations to do, so that a commit has to wait for its turn."""

_QUIET: Final = frozenset(
    ("heartbeat", "deployments", "workers", "waiting_steps", "runs_by_key", "get_run", "statuses")
)


_SURE: Final = frozenset(("claim",))
"""
Operations of which a process always learns whether they were carried out: a worker that does not know what it has
claimed never gives it back. Stores in files keep that promise; one behind a network has to find a way.
"""


class Auditor(Protocol):
    """Looks at each operation, before and after it was carried out."""

    def before(self, name: str, args: tuple[Any, ...]) -> None: ...

    def after(self, name: str, args: tuple[Any, ...], answer: Any, now: int) -> None:
        """
        Args:
            name, args: the operation.
            answer: what it returned, or the error that it raised.
            now: what the clock said that decides for it.
        """
        ...


class SimulatedWorld:
    """
    A world with a weather; it is a :class:`torpor.world.World` by :func:`as_world`.

    Args:
        inner: carries out what is asked for.
        clock: the world's clock, as well as the process knows it.
        process: who asks.
        server: where operations are carried out when the store is remote.
        weather: what goes wrong.
        auditor: looks on.
        story: is told.
    """

    def __init__(
        self,
        inner: MemoryWorld,
        clock: Clock,
        process: Process,
        server: Process,
        weather: Weather,
        auditor: Auditor,
        story: Story,
    ) -> None:
        self.url = inner.url
        self.clock = clock
        # As a store that outlives its workers, so that they keep guest builds there.
        self.capabilities: Capabilities = msgspec.structs.replace(inner.capabilities, durable=True)
        self._inner = inner
        self._process = process
        self._carrier = server if weather.remote else process
        self._weather = weather
        self._auditor = auditor
        self._story = story
        self._random = process.scheduler.random

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or not hasattr(self._inner, name):
            raise AttributeError(name)

        async def ask(*args: Any, **kwargs: Any) -> Any:
            return await self._ask(name, args, kwargs)

        setattr(self, name, ask)
        return ask

    def commit_at_once(self, commit: Commit, held: Entities) -> Committed | None:
        """Store it there and then, as a store in this process does while it has nothing else to do."""
        weather, process = self._weather, self._process
        if weather.remote or self._random.random() < _BUSY:
            return None
        if weather.is_out(process.scheduler.now_us) or weather.happens("store fails"):
            self._story.tell(process.name, "commit at once fails", commit)
            raise WorldError("commit: the simulated store has failed; nothing was stored")
        answer = self._carry_out("commit", (commit, held), {})
        if isinstance(answer, TorporError):
            raise answer
        committed: Committed = answer
        return committed

    def hand_in(self, commit: Commit, held: Entities, stored: asyncio.Future[Committed]) -> bool:
        """Leave it to :meth:`commit`."""
        return False

    async def open(self) -> None:
        """Do nothing: the store is there."""

    async def close(self) -> None:
        """Do nothing: it stays."""

    def subscribe(self, listener: Callable[[Notice], None]) -> Unsubscribe:
        """Have a listener told, more or less."""
        heard = [listener]

        def tell(notice: Notice) -> None:
            for each in heard:
                each(notice)

        def hear(notice: Notice) -> None:
            weather = self._weather
            if weather.happens("notice lost"):
                self._story.tell(self._process.name, "does not hear", notice)
                everything = Notice(None, work=True, ended=True, written=True, hooked=True)
                self._process.call_later(self._random.uniform(0, SWEEP_MS / 1000), tell, everything)
                return
            if weather.happens("notice late"):
                self._process.call_later(self._random.uniform(0, 1), tell, notice)
            else:
                tell(notice)
            if weather.happens("notice twice"):
                self._process.call_later(self._random.uniform(0, 1), tell, notice)

        unsubscribe = self._inner.subscribe(hear)

        def end() -> None:
            heard.clear()
            unsubscribe()

        return end

    async def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        weather, process = self._weather, self._process
        if weather.is_out(process.scheduler.now_us) or weather.happens("store fails"):
            await asyncio.sleep(self._latency())
            self._story.tell(process.name, f"{name} fails", *args)
            raise WorldError(f"{name}: the simulated store has failed; nothing was stored")
        if name == "register":  # processes are told apart by nothing but their silence, as those of other machines
            args = (msgspec.structs.replace(args[0], machine=process.name, pid=1, born=1),)
        answer: asyncio.Future[Any] = process.create_future()

        def arrive() -> None:
            value = self._carry_out(name, args, kwargs)
            loses: Fault = "commit answer lost" if name == "commit" else "store answer lost"
            if name not in _SURE and weather.happens(loses):
                self._story.tell(process.name, "does not learn of it")
                value = WorldError(f"{name}: the connection to the simulated store was lost")
            process.call_later(self._latency(), _settle, answer, value)

        self._carrier.call_later(self._latency(), arrive)
        return await answer

    def _carry_out(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what the operation returns, or the error that it raises."""
        self._auditor.before(name, args)
        answer: Any
        try:
            getattr(self._inner, name)(*args, **kwargs).send(None)
        except StopIteration as stop:
            answer = stop.value
        except TorporError as error:
            answer = error
        else:
            raise AssertionError(f"{name} of a memory world waits for something")
        if name not in _QUIET or isinstance(answer, TorporError):
            self._story.tell(self._process.name, name, *args, "→", answer)
        self._auditor.after(name, args, answer, self._inner.clock.now())
        return answer

    def _latency(self) -> float:
        """Return how long something is on its way, in seconds."""
        if self._weather.happens("store slow"):
            return self._random.uniform(0, 3)
        return self._random.uniform(0.000_02, 0.002)


def as_world(simulated: SimulatedWorld) -> World:
    """Return it as what it is: all that it does not define itself is the memory world's."""
    return cast("World", simulated)


def _settle(answer: asyncio.Future[Any], value: Any) -> None:
    if answer.done():  # whoever asked was cancelled
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)
