"""A process that may start no more threads says so, and goes on when it may."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, logged
from torpor import SyncTorpor, Torpor, WorkerSettings
from torpor.engine import builds
from torpor.errors import HostError
from torpor.thread_start import in_thread, starting_thread
from torpor.vm.ticker import ThreadTicker


def refuse(patch: pytest.MonkeyPatch) -> None:
    """Let no thread be started."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    patch.setattr(threading.Thread, "start", refused)


def test_other_errors_pass() -> None:
    """Only the refusal of a thread is the host's."""
    with pytest.raises(RuntimeError, match="something else"), starting_thread("a test"):
        raise RuntimeError("something else")


async def test_work_for_a_thread_is_refused_until_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it was for, and what to do."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with monkeypatch.context() as short:
        refuse(short)
        with pytest.raises(HostError, match=r"adding: no thread can be started; raise the limit .*ulimit -u"):
            await in_thread("adding", sum, [1, 2])
    assert await in_thread("adding", sum, [1, 2]) == 3


def test_guests_do_not_run_without_a_clock_that_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is asked for again when the next guest is to run."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    ticking = ThreadTicker(wasmtime.Engine(config))
    with monkeypatch.context() as short:
        refuse(short)
        with pytest.raises(HostError, match="the clock of guests"):
            ticking.begin()
    ticking.begin()
    ticking.end()


async def test_a_guest_build_is_made_when_there_is_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for one that was not begun."""
    with monkeypatch.context() as short:
        refuse(short)
        with pytest.raises(HostError, match="making a guest"):
            await builds._apart(lambda: 1)
    assert await builds._apart(lambda: 1) == 1


def test_a_blocking_application_says_that_it_cannot_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be entered again."""
    with monkeypatch.context() as short:
        refuse(short)
        with pytest.raises(HostError, match="the event loop of a SyncTorpor"), SyncTorpor(Torpor("memory://")):
            pass
    with SyncTorpor(Torpor("memory://")):
        pass


async def test_a_worker_that_can_start_no_thread_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Turns have theirs from the beginning; what needs a new one is tried again, with what to do."""
    settings = WorkerSettings(heartbeat_ms=20)
    async with application.on(f"sqlite:///{tmp_path}/torpor.db", settings=settings) as app, app.worker():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        with monkeypatch.context() as short, logged("torpor.engine", "deployment of a worker failed") as said:
            refuse(short)
            run = await app.start("addTen", 2)
            assert await run.result(timeout=TIMEOUT) == 12
            app.programs.renew()  # so that what the worker brings is made anew
            async with asyncio.timeout(TIMEOUT):
                await said.wait()

    assert "no thread can be started; raise the limit" in caplog.text
    assert "Traceback" not in caplog.text
