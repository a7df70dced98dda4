"""Epochs move on while guests run, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import wasmtime

from torpor.vm import interrupts
from torpor.vm.bindings import Call, Deadline
from torpor.vm.ticker import NativeTicker, ThreadTicker, start_ticker

ROOT = Path(__file__).parent.parent.parent

SPIN = '(module (func (export "spin") (loop (br 0))))'


def engine() -> wasmtime.Engine:
    """Return an engine with epochs."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    return wasmtime.Engine(config)


def spin(ticking: NativeTicker | ThreadTicker, module: wasmtime.Module, on: wasmtime.Engine) -> None:
    """Run a guest that never returns, for 30 ms of CPU time."""
    store = wasmtime.Store(on)
    deadline = Deadline(store, 0.03, 0, lambda: None)
    func = wasmtime.Instance(store, module, []).exports(store)["spin"]
    assert isinstance(func, wasmtime.Func)
    deadline.restart()
    ticking.begin()
    try:
        with pytest.raises(wasmtime.WasmtimeError):
            Call(store, func, hold_gil=ticking.holds_gil)()
    finally:
        ticking.end()
    assert deadline.passed


@pytest.mark.parametrize("kind", [NativeTicker, ThreadTicker])
def test_a_guest_that_spins_is_reached(kind: type[NativeTicker | ThreadTicker]) -> None:
    """
    Both tickers end a guest that never returns, again and again, also in two threads at once.
    """
    on = engine()
    ticking, module = kind(on), wasmtime.Module(on, SPIN)
    spin(ticking, module, on)
    threads = [threading.Thread(target=spin, args=(ticking, module, on)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ticking._running == 0


def test_linux_has_the_ticker_that_keeps_the_gil() -> None:
    """
    The best ticker is chosen.
    """
    assert isinstance(start_ticker(engine()), NativeTicker)


def test_without_timers_a_thread_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A system that refuses timers still ends guests in time.
    """

    def refuse(_ticker: NativeTicker) -> None:
        raise OSError("no timers in this sandbox")

    monkeypatch.setattr(NativeTicker, "_create", refuse)

    assert isinstance(start_ticker(engine()), ThreadTicker)


def test_an_idle_ticker_is_silent() -> None:
    """
    No guest runs, no epoch passes: a deadline of one tick is never reached.
    """
    on = engine()
    ticking = NativeTicker(on)
    ticking.begin()
    ticking.end()
    store = wasmtime.Store(on)
    store.set_epoch_deadline(1)
    module = wasmtime.Module(on, '(module (func (export "f")))')
    func = wasmtime.Instance(store, module, []).exports(store)["f"]
    assert isinstance(func, wasmtime.Func)
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        func(store)


def test_a_batch_of_calls_sets_the_timer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To set it costs a call of the system and caches, and a VM's thread has one call into a guest after the other."""
    ticking = NativeTicker(engine())
    monkeypatch.setattr(ticking, "_libc", settings := Settings())

    interrupts.begin_batch()
    for _ in range(3):
        ticking.begin()
        ticking.end()
    assert (settings.count, ticking._running) == (1, 1)

    interrupts.end_batch()
    assert (settings.count, ticking._running) == (2, 0)

    ticking.begin()
    ticking.end()
    assert (settings.count, ticking._running) == (4, 0)


class Settings:
    """Counts how often a timer is set."""

    def __init__(self) -> None:
        self.count = 0

    def timer_settime(self, *_: object) -> None:
        self.count += 1


def test_a_guest_that_spins_in_a_batch_is_reached() -> None:
    """Whatever was called before it."""
    on = engine()
    ticking, module = NativeTicker(on), wasmtime.Module(on, SPIN)

    interrupts.begin_batch()
    for _ in range(2):
        spin(ticking, module, on)
    interrupts.end_batch()

    assert ticking._running == 0


@pytest.mark.parametrize("kind", [NativeTicker, ThreadTicker])
def test_a_forked_child_ticks_too(kind: type[NativeTicker | ThreadTicker]) -> None:
    """
    A child process, which inherits neither timers nor threads, still ends its guests.

    The parent is a process of its own: a fork of one in which other threads hold locks may wait for them for ever.
    """
    code = f"from tests.vm.test_ticker import fork_and_spin, {kind.__name__} as kind; fork_and_spin(kind)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


def test_a_fork_makes_no_timer_in_the_child() -> None:
    """It would wait for ever if a tick of the parent was under way; most children run no guests."""
    code = """if True:
        import os
        from torpor.vm.engine import shared_engine
        from torpor.vm.ticker import NativeTicker
        def refused(*_): os._exit(3)
        assert isinstance(shared_engine().ticker, NativeTicker)
        NativeTicker._create = refused
        child = os.fork()
        if child == 0: os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


def fork_and_spin(kind: type[NativeTicker | ThreadTicker]) -> None:
    """Have a guest ended, fork, have another one ended in the child, and exit with the child's code."""
    on = engine()
    ticking, module = kind(on), wasmtime.Module(on, SPIN)
    spin(ticking, module, on)
    child = os.fork()
    if child == 0:
        try:
            spin(ticking, module, on)
        except BaseException:  # noqa: BLE001  # a child must not go on with what the parent does
            os._exit(1)
        os._exit(0)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
