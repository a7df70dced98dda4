"""
Threads for work inside VMs, off the event loop.

A hop to such a thread and back is on the path of every step, so this is a bare queue: `run_in_executor` makes two
futures and takes several locks for each call, and costs about three times as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar, cast

from torpor.errors import HostError
from torpor.thread_start import starting_thread
from torpor.vm.interrupts import TICK_SECONDS, begin_batch, end_batch, obey, yield_to_others

_REST_SECONDS = 0.001
_RESTS_MAX = 10
"""For each tick: so long work has a sixth of a core beside turns that are always in a hurry."""

_TAKEN_SECONDS = 0.0001
"""Who gets the GIL back later than that had to wait for somebody."""

_BATCH_SECONDS = 0.004
"""
How long what is done may wait for what is next. Whoever gets it needs the GIL, which a VM's thread hardly lets go of
while it has work; and several of a kind, one behind the other, cost much less each.
"""

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Later(Generic[T_co]):
    """
    What work returns whose result somebody else settles, or what it takes to find it.

    Args:
        go: called in the VM thread when results go back; True when the result has been left to somebody else.
        otherwise: the result if it has not.
    """

    __slots__ = ("go", "otherwise")

    def __init__(self, go: Callable[[], bool], otherwise: T_co) -> None:
        self.go, self.otherwise = go, otherwise


class VmThreads:
    """
    Threads that take work from one queue: a fixed number for work that is short, and one more for each that is long.

    Work is long once it has had the processor for a tick's time since its first tick; on a busy machine many may pass.
    It leaves its place to others, and rests from then on at each tick while turns are in a hurry, so that it has a
    share of the processor and they have theirs soon.

    Args:
        count: how many VMs with short work may run at the same moment.

    Attributes:
        hurrying: how many turns are at work, those whose VM computes for long among them; the event loop's to set.

    Raises:
        HostError: they cannot be started.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = count
        self._alive = self._long = 0
        self._begun = 0
        self._ending = False
        self._done: deque[_Job] = deque()
        self._hand_back_at = 0.0
        self.hurrying = 0
        try:
            while self._alive < count:
                self._start_thread()
        except HostError:
            self.shutdown()
            raise

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run *work* in a VM thread and return what it returns, or raise what it raises.

        For a cancelled caller guest code is ended, within some milliseconds. It is let go only when the work has ended,
        so that nobody touches a VM that still runs.
        """
        return cast("T", await self._run(lambda _: work(*args, **kwargs)))

    async def run_on(self, work: Callable[..., Any], *args: object) -> Any:
        """
        Do the same with *work* that is given the future of its result first, and may return :class:`Later`: then
        somebody else settles that future on its event loop.
        """
        return await self._run(lambda answer: work(answer, *args))

    async def _run(self, work: Callable[[asyncio.Future[Any]], Any]) -> Any:
        job = _Job(work, asyncio.get_running_loop(), self)
        self._begin(job)
        try:
            return await job.answer
        except asyncio.CancelledError:
            await job.cancel()
            raise

    def submit(self, work: Callable[[], None]) -> None:
        """Run *work* in a VM thread some time, or here once the threads have ended; nobody waits for it."""
        self._begin(_Job(lambda _: work(), asyncio.get_running_loop(), self))

    def shutdown(self) -> None:
        """Let the threads end once the queue is empty."""
        self._ending = True
        self._queue.put(None)

    def has_become_long(self) -> None:
        """Take note that the work of this thread is long, and let another thread take its place."""
        with self._lock:
            self._long += 1
            if self._alive - self._long >= self._count or self._ending:
                return
        with contextlib.suppress(HostError):  # then there is one place less for others until the work is done
            self._start_thread()

    def rest(self) -> None:
        """Let whoever wants to compute do so, and turns in a hurry go first, for a while."""
        begun = time.perf_counter()
        yield_to_others()
        somebody_computes = time.perf_counter() - begun > _TAKEN_SECONDS
        for _ in range(_RESTS_MAX):
            if not somebody_computes and self.hurrying <= self._long:
                break
            time.sleep(_REST_SECONDS)
            somebody_computes = False

    def _start_thread(self) -> None:
        with self._lock:
            self._alive += 1
            self._begun += 1
            name = f"torpor-vm-{self._begun}"
        try:
            with starting_thread(f"starting {self._count} threads for VMs"):
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        except HostError:
            with self._lock:
                self._alive -= 1
            raise

    def _begin(self, job: _Job) -> None:
        with self._lock:
            if self._alive:
                self._queue.put(job)
                return
        self._carry_out(job)
        self.hand_back()

    def hand_back(self) -> None:
        """Give back what is done; called in a VM thread."""
        done: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        while self._done:
            try:
                job = self._done.popleft()
            except IndexError:  # another thread has it
                break
            if not job.is_left():
                done.setdefault(job.loop, []).append(job)
        for loop, jobs in done.items():
            with contextlib.suppress(RuntimeError):  # the loop was closed while the VM ran: nobody waits any more
                loop.call_soon_threadsafe(_settle, jobs)

    def _carry_out(self, job: _Job) -> None:
        job.carry_out()
        if not self._done:
            self._hand_back_at = time.perf_counter() + _BATCH_SECONDS
        self._done.append(job)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None or (job := self._last()) is not None:
            begin_batch()
            self._carry_out(job)
            if self._queue.empty() or time.perf_counter() > self._hand_back_at:
                end_batch()
                self.hand_back()
            if job.is_long and self._is_superfluous():
                break
        end_batch()
        self.hand_back()

    def _is_superfluous(self) -> bool:
        """Note that long work is done; say whether another thread has taken the place of this one, which then ends."""
        with self._lock:
            self._long -= 1
            if self._alive - self._long <= self._count:
                return False
            self._alive -= 1
            return True

    def _last(self) -> _Job | None:
        """Return a job that came after the end of the queue, or None when this thread is to end."""
        with self._lock:
            try:
                job = self._queue.get_nowait()
            except Empty:
                job = None
                self._alive -= 1
            self._queue.put(None)  # for the next thread that looks
        return job


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settle()


class _Job:
    """
    Work on its way to a VM thread, and what came of it on its way back.

    Attributes:
        loop: the event loop that it comes from.
        answer: of the work, on the event loop.
        is_long: whether a VM has computed for long.
    """

    __slots__ = (
        *("_cancelled", "_ended", "_error", "_is_over", "_since", "_threads", "_value", "_work"),
        *("answer", "is_long", "loop"),
    )

    def __init__(
        self, work: Callable[[asyncio.Future[Any]], Any], loop: asyncio.AbstractEventLoop, threads: VmThreads
    ) -> None:
        self._work = work
        self._threads = threads
        self._since: float | None = None  # its first tick, by the processor's time of the thread
        self.is_long = False
        self._value: Any = None
        self._error: BaseException | None = None
        self.loop = loop
        self._cancelled = False
        self._is_over = False  # the work; its answer may be on its way
        self._ended: asyncio.Future[None] | None = None  # who was cancelled waits for it
        self.answer: asyncio.Future[Any] = loop.create_future()

    def carry_out(self) -> None:
        """Do the work; called in a VM thread."""
        obey(self._is_cancelled, self._rest)
        try:
            if not self._cancelled:
                self._value = self._work(self.answer)
        except BaseException as problem:  # noqa: BLE001  # whoever waits gets it
            self._error = problem

    def is_left(self) -> bool:
        """Say whether somebody else settles the answer, in which case nobody is told here; called in a VM thread."""
        later = self._value
        if not isinstance(later, Later):
            return False
        try:
            self._value = None
            is_left = not self._cancelled and later.go()
            if not is_left:
                self._value = later.otherwise
        except BaseException as problem:  # noqa: BLE001  # whoever waits gets it
            self._error, is_left = problem, False
        self._is_over = True  # before the look, as cancel() before its own
        return is_left and not self._cancelled

    async def cancel(self) -> None:
        """Have the work end, whose answer nobody wants any more, and return once it has."""
        self._cancelled = True
        if not self._is_over:
            self._ended = self.loop.create_future()
            await asyncio.shield(self._ended)

    def _is_cancelled(self) -> bool:
        return self._cancelled

    def _rest(self) -> None:
        self._threads.hand_back()
        if not self.is_long:
            self._note_tick(time.thread_time())
        if self.is_long and not self._cancelled:
            self._threads.rest()
        else:
            yield_to_others()

    def _note_tick(self, now: float) -> None:
        if self._since is None:  # to ask for the time at the beginning would cost each turn a system call
            self._since = now
        elif now - self._since >= TICK_SECONDS:
            self.is_long = True
            self._threads.has_become_long()

    def settle(self) -> None:
        """Let whoever waits know; called on the event loop."""
        self._is_over = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if self.answer.done():  # its caller was cancelled
            return
        if self._error is None:
            self.answer.set_result(self._value)
        else:
            self.answer.set_exception(self._error)
