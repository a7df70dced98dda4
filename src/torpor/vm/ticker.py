"""
Moves an engine's epoch on while guests run, so that a guest that runs long is noticed.

Where the system has timers that call a C function (Linux), the tick needs no GIL. There a turn, which typically takes a
tenth of a millisecond, keeps the GIL, and only a guest that is still running at the tick yields it. Elsewhere a thread
ticks, which could not run while a guest holds the GIL; there every call into a guest gives the GIL away.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading

import wasmtime

from torpor.thread_start import starting_thread
from torpor.vm.bindings import epoch_tick
from torpor.vm.interrupts import FIRST_TICK_SECONDS, TICK_SECONDS, has_batch, is_begun

_CLOCK_MONOTONIC = 1
_SIGEV_THREAD = 2


class _SignalEvent(ctypes.Structure):
    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("padding", ctypes.c_char * 64),
    ]


class _Interval(ctypes.Structure):
    _fields_ = [
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    ]


class NativeTicker:
    """Ticks from a POSIX timer, armed only while a guest runs, or a thread has a batch of calls into guests."""

    holds_gil = True

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        # The timer's thread may be in the middle of a tick when the process ends: the engine must outlive it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
        self._libc = ctypes.PyDLL(None, use_errno=True)
        self._libc.timer_settime.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        self._lock = threading.Lock()
        self._running = 0
        first, next_one = int(FIRST_TICK_SECONDS * 1e9), int(TICK_SECONDS * 1e9)
        self._armed = ctypes.byref(_Interval(0, next_one, 0, first))
        self._disarmed = ctypes.byref(_Interval(0, 0, 0, 0))
        self._timer: ctypes.c_void_p | None = self._create()
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self._disarm)

    def begin(self) -> None:
        """A guest begins to run."""
        if is_begun(self._leave):
            return
        with self._lock:
            if self._timer is None:
                self._timer = self._create()
            self._running += 1
            if self._running == 1:
                self._libc.timer_settime(self._timer, 0, self._armed, None)

    def end(self) -> None:
        """A guest has returned."""
        if not has_batch():
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                self._disarm()

    def _create(self) -> ctypes.c_void_p:
        function, argument = epoch_tick(self._engine)
        event = _SignalEvent(argument, 0, _SIGEV_THREAD, function, None, b"")
        timer = ctypes.c_void_p()
        if self._libc.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"timer_create: {os.strerror(code)}")
        return timer

    def _disarm(self) -> None:
        if self._timer is not None:
            self._libc.timer_settime(self._timer, 0, self._disarmed, None)

    def _after_fork(self) -> None:
        """
        Begin anew in a child process, which inherits no timers and runs no guests yet.

        Its own timer is made for its first guest, not here: a tick of the parent may have been under way, and then the
        C library's lock on timers is held for ever in the child.
        """
        self._lock = threading.Lock()
        self._running = 0
        self._timer = None


class ThreadTicker:
    """Ticks from a thread, which sleeps while no guest runs, and is started for the first."""

    holds_gil = False

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        self._wake = threading.Condition()
        self._running = 0
        self._ticks = False
        os.register_at_fork(after_in_child=self._after_fork)

    def begin(self) -> None:
        """
        A guest begins to run.

        Raises:
            HostError: no thread can be started, without which nothing would end a guest.
        """
        with self._wake:
            if not self._ticks:
                with starting_thread("starting the clock of guests"):
                    threading.Thread(target=self._tick, args=(self._wake,), name="torpor-ticker", daemon=True).start()
                self._ticks = True
            self._running += 1
            if self._running == 1:
                self._wake.notify()

    def end(self) -> None:
        """A guest has returned."""
        with self._wake:
            self._running -= 1

    def _after_fork(self) -> None:  # threads are not inherited, and no guest runs in the child
        self._wake = threading.Condition()
        self._running = 0
        self._ticks = False

    def _tick(self, wake: threading.Condition) -> None:
        with wake:
            while True:
                wake.wait_for(lambda: self._running > 0)
                wake.wait(TICK_SECONDS)
                self._engine.increment_epoch()


def start_ticker(engine: wasmtime.Engine) -> NativeTicker | ThreadTicker:
    """Return the best ticker that this system has."""
    try:
        return NativeTicker(engine)
    except (OSError, AttributeError):  # refused by a sandbox; no such function on this system
        return ThreadTicker(engine)
