"""
Starts processes that do the same work, watches them, and starts another one for each that ends.

::

    starting    the first process alone, until it is at work: it makes what is made once, and says once what is wrong;
                then the others
    working     a process that ends is followed by another, after a pause; one that ends at once, again and again, ends
                all
    replacing   for each process a new one is started, and the old one is stopped once that is at work
    stopping    every process has its grace period, and is killed after it

A process is a fresh interpreter: a fork would take over threads, locks and connections in whatever state they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from torpor.processes.child import Child, Command, ending_text
from torpor.processes.line import AtWork
from torpor.processes.restarts import Restarts

FAILED: Final = 1
"""Exit code when a process did not stop in time, or the supervisor failed."""

MISUSED: Final = 2
"""Exit code of a process that was asked for wrongly, and would be again."""

_SIGNALLED: Final = 128  # plus its number, as shells say it

Tell = Callable[[str], None]
"""Says a sentence to people."""


class Supervisor:
    """
    Keeps processes at work. Start it once; stopping twice is harmless.

    Args:
        command: makes the command line of a process.
        count: how many there are to be.
        tell: is told what becomes of them.
        environment: of the processes; this one's by default.
        gives_up: whether processes that end at once again and again end all, once they have been at work.
        restarts: makes what counts the ends, and gives the pauses after them.
    """

    def __init__(
        self,
        command: Command,
        count: int,
        tell: Tell,
        *,
        environment: Mapping[str, str] | None = None,
        gives_up: bool = True,
        restarts: Callable[[], Restarts] = Restarts,
    ) -> None:
        self.count = count
        self.tell = tell
        self.has_worked = False
        self._command = command
        self._environment = environment
        self._gives_up = gives_up
        self._new_restarts = restarts
        self._children: set[Child] = set()  # all that run
        self._starting: set[asyncio.Task[Child]] = set()
        self._slots: list[_Slot] = []
        self._over = asyncio.Event()
        self._code = 0
        self._stopping: asyncio.Task[None] | None = None

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run now."""
        return sorted(child.pid for child in self._children if not child.ended.done())

    @property
    def at_work(self) -> list[AtWork]:
        """What the processes have said of themselves that are at work now."""
        return [child.work for child in self._children if child.work is not None and not child.ended.done()]

    @property
    def is_over(self) -> bool:
        """Whether all are to stop, or have stopped."""
        return self._over.is_set()

    async def start(self) -> int | None:
        """Return when all processes are at work, with None; or with the exit code, when they have ended instead."""
        first = self._open_slot()
        await self._unless_over(first.is_at_work.wait())
        if first.child is not None and first.child.alone:
            self.tell(f"one process does all the work: {first.child.alone}")
        elif not self.is_over:
            others = [self._open_slot() for _ in range(self.count - 1)]
            await self._unless_over(*(slot.is_at_work.wait() for slot in others))
        return self._code if self.is_over else None

    async def run(self) -> int:
        """Keep processes at work until a stop is asked for, or has to be; return the exit code."""
        await self.start()
        return await self.run_over()

    async def run_over(self) -> int:
        """Return the exit code once a stop was asked for, or had to be, and all processes have stopped."""
        await self._over.wait()
        await self.stop()
        return self._code

    def ask_to_stop(self, code: int = 0) -> None:
        """Begin to stop, for an exit with this code if there is none yet."""
        if self._stopping is None:
            self._code = code
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        self._over.set()

    async def stop(self) -> None:
        """
        Let all processes end what they are at, and kill those that do not within their grace period.

        May be called twice, and by several; who is cancelled while waiting does not stop the stopping.
        """
        self.ask_to_stop()
        assert self._stopping is not None
        await asyncio.shield(self._stopping)

    def kill(self) -> None:
        """Kill all processes at once; the handler of a signal may call this."""
        for child in tuple(self._children):
            child.kill()

    async def replace(self) -> bool:
        """
        Replace all processes by new ones, one after the other; return whether that was done.

        An old one is stopped when its new one is at work; if that does not come about, the old ones go on.
        """
        for slot in tuple(self._slots):
            if not await slot.replace():
                return False
        return True

    async def spawn(self) -> Child:
        """
        Start a process, which is then one of those that are stopped at the end.

        Raises:
            OSError: it cannot be started.
        """
        starting = asyncio.get_running_loop().create_task(self._spawn())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        return await asyncio.shield(starting)

    def ended(self, what: str, code: int, restarts: Restarts, worked_seconds: float) -> float | None:
        """
        Say that a process has ended; return the seconds until the next one, None when there is to be none.

        Args:
            what: which, for messages.
            code: its exit code; negative for a signal.
            restarts: counts how often that happens.
            worked_seconds: how long it was at work.
        """
        delay = restarts.delay_ms(worked_seconds) / 1000
        if code == MISUSED and not self.has_worked:  # it has said why, and nothing will be otherwise the next time
            self.ask_to_stop(code)
            return None
        how = f"{what} {ending_text(code)}"
        if restarts.hopeless and (self._gives_up or not self.has_worked):
            self.tell(f"{how}, at once and again and again; all worker processes are stopped")
            self.ask_to_stop(code if code > 0 else _SIGNALLED - code if code else FAILED)
            return None
        self.tell(f"{how}; another one is started in {delay:.1f} s")
        return delay

    async def _spawn(self) -> Child:
        child = await Child.start(self._command, lambda: self.has_worked, self._environment)
        self._children.add(child)
        child.ended.add_done_callback(lambda _: self._children.discard(child))
        return child

    def _open_slot(self) -> _Slot:
        slot = _Slot(self, self._new_restarts())
        self._slots.append(slot)
        return slot

    async def _unless_over(self, *happenings: Coroutine[Any, Any, Any]) -> None:
        """Wait until all of these have happened, or a stop was asked for."""
        over = asyncio.ensure_future(self._over.wait())
        awaited = {asyncio.ensure_future(happening) for happening in happenings}
        try:
            while awaited and not over.done():
                _, pending = await asyncio.wait({over, *awaited}, return_when=asyncio.FIRST_COMPLETED)
                awaited &= pending
        finally:
            for waiting in (over, *awaited):
                waiting.cancel()

    async def _stop(self) -> None:
        for slot in self._slots:
            slot.close()
        if self._starting:
            await asyncio.wait(self._starting)
        stopped = await asyncio.gather(*(self._stop_one(child) for child in tuple(self._children)))
        if not all(stopped) and not self._code:
            self._code = FAILED

    async def _stop_one(self, child: Child) -> bool:
        stopped = await child.stop()
        if not stopped:
            self.tell(f"{child.name} did not stop within its grace period and was killed; others go on with its runs")
        return stopped


class _Slot:
    """
    One process after another.

    Attributes:
        child: the one of now; None between two.
        is_at_work: set once the first one was.
    """

    def __init__(self, supervisor: Supervisor, restarts: Restarts) -> None:
        self.child: Child | None = None
        self.is_at_work = asyncio.Event()
        self._supervisor = supervisor
        self._restarts = restarts
        self._changing = asyncio.Lock()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        self._keeping.add_done_callback(self._kept)

    def close(self) -> None:
        """Start no other process."""
        self._keeping.cancel()

    async def replace(self) -> bool:
        """Put a new process in the place of this one; return False if the new one did not come to work."""
        async with self._changing:
            old = self.child
            if old is None or self._supervisor.is_over:
                return old is None  # the next one is a new one
            try:
                new = await self._supervisor.spawn()
            except OSError as error:
                self._supervisor.tell(f"no new process can be started: {error}; the old ones go on")
                return False
            await new.settled.wait()
            if self._supervisor.is_over:
                return False
            if new.work is None:
                how = ending_text(await new.ended)
                self._supervisor.tell(f"the new process {new.pid} {how}; the old ones go on")
                return False
            self.child = new
        if not await old.stop():
            self._supervisor.tell(f"{old.name} did not stop within its grace period and was killed")
        return True

    async def _keep(self) -> None:
        while True:
            try:
                async with self._changing:
                    if self.child is None:
                        self.child = await self._supervisor.spawn()
                    child = self.child
            except OSError as error:
                pause = self._supervisor.ended(f"a process that cannot be started ({error})", FAILED, self._restarts, 0)
            else:
                await child.settled.wait()
                if child.work is not None:
                    self._supervisor.has_worked = True
                    self.is_at_work.set()
                code = await asyncio.shield(child.ended)
                if self.child is not child:
                    continue  # it was replaced
                self.child = None
                pause = self._supervisor.ended(child.name, code, self._restarts, child.worked_seconds)
            if pause is None:
                return
            await asyncio.sleep(pause)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        """Let an error of ours end all, instead of one process less."""
        if not keeping.cancelled() and (error := keeping.exception()) is not None:
            self._supervisor.tell(f"worker processes cannot be kept at work: {type(error).__name__}: {error}")
            self._supervisor.ask_to_stop(FAILED)
