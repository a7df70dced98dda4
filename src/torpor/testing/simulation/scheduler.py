"""
Virtual time: one scheduler runs the event loops of all simulated processes, and the dice say whose turn it is.

A :class:`Process` is an event loop without selectors or threads. Inside a process callbacks run in the order in which
they were asked for, as asyncio promises; between processes everything is possible, and the seed says what happens. Time
passes only when no process that may run has anything to do.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from random import Random
from typing import Any, Final, TypeVar

T = TypeVar("T")

_CALLBACKS_MAX: Final = 200  # of one process, until others may go on
_ROUNDS_MAX: Final = 500  # without any time passing


class KilledError(BaseException):
    """Raised where a process ends: nothing of what it does on its way out has an effect any more."""


class _Planned(asyncio.TimerHandle):
    """A callback of a process, at a time; it has none of what the handles of other loops have to remember."""

    def __init__(
        self, when_us: int, callback: Callable[..., Any], args: Sequence[Any], context: Context | None
    ) -> None:
        self._when_us = when_us
        self._call: Callable[[], Any] | None = functools.partial(
            (copy_context() if context is None else context).run, callback, *args
        )

    def __repr__(self) -> str:
        return f"<planned {self._call}>"

    def carry_out(self) -> None:
        if self._call is not None:
            self._call()

    def cancel(self) -> None:
        self._call = None

    def cancelled(self) -> bool:
        return self._call is None

    def when(self) -> float:
        return self._when_us / 1_000_000


class Scheduler:
    """
    All processes of one simulation, and the time.

    Args:
        random: the dice.

    Attributes:
        now_us: microseconds of virtual time since the beginning.
    """

    def __init__(self, random: Random) -> None:
        self.now_us = 0
        self.random = random
        self._processes: list[Process] = []
        self._able: list[Process] = []  # those that have something to do, and may do it
        self._timers: list[tuple[int, int, _Planned, Process]] = []
        self._planned = 0
        self._running = ""

    def process(self, name: str) -> Process:
        """Begin another process."""
        process = Process(name, self)  # type: ignore[abstract]  # engines use no more of a loop than it has
        self._processes.append(process)
        return process

    def run(self, over: Callable[[], bool], until_us: int) -> bool:
        """
        Let everything happen until *over* says so; return False when that was not so until *until_us*.

        Args:
            over: asked each time before time passes.
            until_us: when to give up.
        """
        rounds = 0  # since time passed
        while rounds < _ROUNDS_MAX:
            if able := self._able:
                process = able[0] if len(able) == 1 else self.random.choice(able)
                self._running = process.name
                process.run_some()
                self._running = ""
                rounds += 1
                continue
            if over():
                return True
            if not self._timers or self._timers[0][0] > until_us:
                return False
            self._let_time_pass()
            rounds = 0
        return False  # somebody spins

    def running_name(self) -> str:
        """Return the name of the process whose turn it is, ``""`` when it is nobody's."""
        return self._running

    def note(self, process: Process, *, able: bool) -> None:
        """Take note of whether a process has something to do and may do it."""
        if able:
            self._able.append(process)
        else:
            self._able.remove(process)

    def plan(self, when_us: int, planned: _Planned, process: Process) -> None:
        """Have a callback run at some time."""
        self._planned += 1
        heapq.heappush(self._timers, (when_us, self._planned, planned, process))

    def close(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.bury()

    def _let_time_pass(self) -> None:
        timers = self._timers
        self.now_us = max(self.now_us, timers[0][0])
        while timers and timers[0][0] <= self.now_us:
            _, _, planned, process = heapq.heappop(timers)
            process.take(planned)


class Process(asyncio.AbstractEventLoop):
    """
    One process: an event loop that can be killed and frozen. Made by :meth:`Scheduler.process`.

    Attributes:
        name: for the story.
        scheduler: gives time and dice.
        dead: it was killed, or has ended.
        errors: what callbacks raised.
        inside: what the functions that run in it find there.
    """

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self.name = name
        self.scheduler = scheduler
        self.dead = False
        self.errors: list[BaseException] = []
        self.inside: Any = None
        self._frozen = self._able = False
        self._ready: deque[_Planned] = deque()
        self._coroutines: list[Coroutine[Any, Any, Any]] = []

    def __repr__(self) -> str:
        return f"<process {self.name}>"

    # Life and death

    @property
    def frozen(self) -> bool:
        """Whether it does not get on at the moment."""
        return self._frozen

    def run_some(self) -> None:
        """Run what is ready, and what becomes ready by that, in the order in which it did."""
        _set_running_loop(self)
        try:
            for _ in range(_CALLBACKS_MAX):
                if not self._ready or self.dead or self._frozen:
                    return
                try:
                    self._ready.popleft().carry_out()
                except KilledError:
                    return
                except Exception as error:  # noqa: BLE001  # a callback's, which asyncio would log
                    self.errors.append(error)
        finally:
            _set_running_loop(None)
            self._look()

    def take(self, planned: _Planned) -> None:
        """Put a callback whose time has come in line."""
        if not self.dead:
            self._ready.append(planned)
            self._look()

    def kill(self) -> None:
        """
        End at once, as by SIGKILL: nothing of the process ever runs again.

        Raises:
            KilledError: it was called inside the process, whose callback must end here.
        """
        self.dead = True
        self._ready.clear()
        self._look()
        if asyncio.get_running_loop() is self:
            raise KilledError

    def freeze(self) -> None:
        """Stop getting on; what becomes ready waits."""
        self._frozen = True
        self._look()

    def thaw(self) -> None:
        """Go on."""
        self._frozen = False
        self._look()

    def _look(self) -> None:
        able = bool(self._ready) and not self._frozen
        if able != self._able:
            self._able = able
            self.scheduler.note(self, able=able)

    def bury(self) -> None:
        """
        Let go of all that was begun, at the end of the simulation; before, nobody must.

        A coroutine that Python collects runs its ``finally`` blocks, and would do so at a moment of Python's choosing.
        """
        self.dead = True
        self._ready.clear()
        _set_running_loop(self)
        try:
            for coroutine in reversed(self._coroutines):
                with suppress(BaseException):
                    coroutine.close()
        finally:
            _set_running_loop(None)
        self._coroutines.clear()

    # The event loop

    def time(self) -> float:
        return self.scheduler.now_us / 1_000_000

    def call_soon(  # type: ignore[override]  # typeshed has TypeVarTuple
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        planned = _Planned(self.scheduler.now_us, callback, args, context)
        self.take(planned)
        return planned

    def call_soon_threadsafe(  # type: ignore[override]  # as above
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._at(self.scheduler.now_us + max(0, round(delay * 1_000_000)), callback, args, context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self._at(round(when * 1_000_000), callback, args, context)

    def _at(
        self, when_us: int, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        planned = _Planned(when_us, callback, args, context)
        if not self.dead:
            self.scheduler.plan(when_us, planned, self)
        return planned

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # typeshed has it otherwise for each version of Python
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        self._coroutines.append(coro)
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # as above
        """Call *func* after some time: what a thread does is a moment of this process."""
        return self.later(self.scheduler.random.randrange(50, 20_000), func, *args)

    def later(self, delay_us: int, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Call *func* after so many microseconds, and return what will be its answer."""
        answer: asyncio.Future[T] = self.create_future()

        def carry_out() -> None:
            try:
                value = func(*args)
            except Exception as error:  # noqa: BLE001  # whoever waits gets it
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(value)

        self._at(self.scheduler.now_us + delay_us, carry_out, (), None)
        return answer

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Do nothing: what callbacks raise is noted in :attr:`errors`, and tasks tell those who wait for them."""
