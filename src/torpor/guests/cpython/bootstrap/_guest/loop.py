"""
asyncio without a selector: what is ready runs, then the VM may sleep, for years if need be.

After each delivery the host lets :meth:`DurableLoop.pump` run until nothing is ready. Timers (``call_later``, and with
it ``timeout`` and ``wait_for``) are kept here and are durable: as long as there is any, one wait of the host's ends no
later than the first of them. It is asked for only when nothing is ready any more, so that ten thousand timeouts that
were cancelled in time have cost one wait and not ten thousand. When there is no timer left, the wait is given up, so
that a timeout which was left in time does not wake the run.
"""

from __future__ import annotations

import asyncio
import math
import sys
from asyncio import BaseEventLoop, Handle, TimerHandle
from asyncio.events import _set_running_loop
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import Any

from .advice import refusal
from .polling import Pollers
from .restless import Restless
from .run import Delivery, run
from .timestamps import LATEST, as_text

_CANCELLED_KEPT = 100
"""Cancelled timers that may lie about before they are swept out."""

# A time in seconds as a float is off by up to a quarter of a microsecond; a millisecond must not be added for that.
_ROUNDING_MS = 0.01

_NO_THREADS = "there are no threads inside the VM"
_NO_SOCKETS = "there is no network inside the VM"
_NO_PROCESSES = "there are no processes inside the VM"
_NO_SIGNALS = "no signals reach the VM"
_RUNNING = "the workflow's own loop is running already"


class DurableLoop(BaseEventLoop):
    """The loop of the one run in this VM."""

    _ready: Any  # the base class's deque of handles
    _asyncgen_firstiter_hook: Any  # the base class's methods
    _asyncgen_finalizer_hook: Any

    def __init__(self) -> None:
        super().__init__()
        self._timers: list[tuple[int, int, Any]] = []  # due, order of creation, handle
        self._timers_made = 0
        self._timers_cancelled = 0
        self._left: Any = None
        self._armed: list[tuple[int, int]] = []  # a heap of the outstanding waits: when each ends, and its op
        self.restless = Restless(self)
        self.pollers = Pollers(self, self._run_ready)

    def time(self) -> float:
        """Return the run's clock in seconds since the epoch."""
        return run.at / 1000

    def pump(self) -> None:
        """Run until nothing is ready, then see to it that the first timer will wake the run."""
        _set_running_loop(self)
        try:
            restless, pollers = self.restless, self.pollers
            restless.begin()
            if pollers.yields:
                pollers.wake()
            self._run_ready()
            if pollers.yields:
                pollers.settle()
            restless.settle()
        finally:
            _set_running_loop(None)
        if self._timers or self._armed:
            self._arm()

    def _run_ready(self) -> int:
        """Run what is ready and what that makes ready, unless it never ends; return how many handles that were."""
        ready, count, left = self._ready, 0, self.restless.left
        while ready:
            if count >= left:
                if self.restless.rests():
                    break
                left += self.restless.budget
            handle = ready.popleft()
            count += 1
            if not handle._cancelled:
                handle._run()
        self.restless.left = left - count
        return count

    def end(self) -> None:
        """Never run what is ready or scheduled; it is kept, as tasks that vanish would do cleanup."""
        self._left = list(self._ready), self._timers
        self._ready.clear()
        self._timers = []

    def call_at(  # type: ignore[override]  # the base class types *args*, which nothing here looks at
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        timer: Any = TimerHandle(when, callback, args, self, context)
        if when == math.inf:
            return timer
        due = min(math.ceil(when * 1000 - _ROUNDING_MS), LATEST)
        if due <= run.at:
            self._ready.append(timer)
        else:
            timer._scheduled = True
            self._timers_made += 1
            heappush(self._timers, (due, self._timers_made, timer))
        return timer

    def fire(self, n: int, due: int) -> None:
        """Make the timers ready that end with wait *n*, which was to end at *due*, however early the host ended it."""
        self._armed.remove((due, n))
        heapify(self._armed)
        now = max(due, run.at)
        timers = self._timers
        while timers and timers[0][0] <= now:
            self._ready.append(self._pop())

    @property
    def timers(self) -> list[tuple[int, int, Any]]:
        """What ``call_later`` has scheduled, cancelled ones too."""
        return self._timers

    def waits_for_others(self) -> bool:
        """Tell whether the run waits for anything but its timers."""
        return any(not isinstance(receiver, TimerWait) for receiver in run.waiting.values())

    def is_running(self) -> bool:
        return True

    def _arm(self) -> None:
        timers = self._timers
        if self._timers_cancelled > _CANCELLED_KEPT and self._timers_cancelled * 2 > len(timers):
            timers[:] = [entry for entry in timers if not entry[2]._cancelled]
            heapify(timers)
            self._timers_cancelled = 0
        while timers and timers[0][2]._cancelled:
            self._pop()
        if run.phase != "running":
            return
        if not timers:
            for _, n in self._armed:
                run.leave(n)
            self._armed.clear()
        elif not self._armed or timers[0][0] < self._armed[0][0]:
            due = timers[0][0]
            heappush(self._armed, (due, run.emit("wait", TimerWait(due), due=due)))

    def _pop(self) -> Any:
        timer: Any = heappop(self._timers)[2]
        timer._scheduled = False
        if timer._cancelled:
            self._timers_cancelled -= 1
        return timer

    def _timer_handle_cancelled(self, handle: Handle) -> None:
        if handle._scheduled:  # type: ignore[attr-defined]  # it is a timer's
            self._timers_cancelled += 1

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing sleeps that would have to be woken."""


class TimerWait:
    """The host's wait that ends with the first timer."""

    __slots__ = ("due",)

    def __init__(self, due: int) -> None:
        self.due = due

    def receive(self, delivery: Delivery) -> None:
        run.forget(delivery["op"])
        loop.fire(delivery["op"], self.due)

    def wakes(self, _future: asyncio.Future[Any]) -> bool:
        return False

    def describe(self) -> str:
        return f"timer until {as_text(self.due)}"


def _refusals() -> dict[str, Callable[..., Any]]:
    """Return methods of the loop that need what the VM lacks."""
    reasons = {
        _NO_THREADS: "run_in_executor set_default_executor",
        _NO_SOCKETS: "add_reader remove_reader add_writer remove_writer create_connection create_server"
        " create_datagram_endpoint create_unix_connection create_unix_server connect_accepted_socket start_tls sendfile"
        " getaddrinfo getnameinfo sock_accept sock_connect sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into"
        " sock_sendall sock_sendfile sock_sendto",
        _NO_PROCESSES: "subprocess_exec subprocess_shell connect_read_pipe connect_write_pipe",
        _NO_SIGNALS: "add_signal_handler remove_signal_handler",
    }
    found = {name: refusal(f"loop.{name}()", why) for why, names in reasons.items() for name in names.split()}
    for name in ("run_forever", "run_until_complete"):
        found[name] = refusal(f"loop.{name}()", _RUNNING, "await the coroutine, or use asyncio.create_task")
    for name in ("stop", "close"):
        found[name] = refusal(f"loop.{name}()", "it would end the run", "return from the workflow function")
    return found


for _name, _method in _refusals().items():
    setattr(DurableLoop, _name, _method)

loop = DurableLoop()


def install() -> None:
    """Make asyncio at large use the loop, and refuse what would need another one."""
    sys.set_asyncgen_hooks(firstiter=loop._asyncgen_firstiter_hook, finalizer=loop._asyncgen_finalizer_hook)
    run_it = "await the coroutine, or use asyncio.create_task"
    for name in ("run", "Runner", "new_event_loop", "set_event_loop"):
        setattr(asyncio, name, refusal(f"asyncio.{name}()", _RUNNING, run_it))
    asyncio.to_thread = refusal("asyncio.to_thread()", _NO_THREADS)
    for name in ("open_connection", "start_server", "open_unix_connection", "start_unix_server"):
        setattr(asyncio, name, refusal(f"asyncio.{name}()", _NO_SOCKETS))
    for name in ("create_subprocess_exec", "create_subprocess_shell"):
        setattr(asyncio, name, refusal(f"asyncio.{name}()", _NO_PROCESSES))
