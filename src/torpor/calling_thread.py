"""
A thread that waits for a coroutine, and does meanwhile what has to be done in that very thread.

Connections to databases may belong to the thread that made them, while an application lives on an event loop in
another one. So the coroutine hands back what touches such a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, TypeVar

from torpor.thread_start import in_thread

T = TypeVar("T")

_Job = Callable[[], None]
_Jobs = SimpleQueue[_Job | None]
_waiting: ContextVar[_Jobs | None] = ContextVar("torpor-calling-thread", default=None)


def wait_here(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """
    Carry a coroutine out on an event loop of another thread, and return its result.

    What it has done by :func:`in_calling_thread` is done here.
    """
    jobs = _Jobs()
    future = _carried_out(work, loop, jobs)
    while (job := jobs.get()) is not None:
        job()
    return future.result()


def iterate_here(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, handed: list[T]) -> Iterator[T]:
    """
    Carry a coroutine out as :func:`wait_here` does, and yield what it hands over. Who stops to iterate cancels it.

    Args:
        work: the coroutine.
        loop: of another thread.
        handed: where *work* puts, by :func:`in_calling_thread`, what is yielded.
    """
    jobs = _Jobs()
    future = _carried_out(work, loop, jobs)
    try:
        while (job := jobs.get()) is not None:
            job()
            while handed:
                yield handed.pop(0)
        future.result()
    finally:
        future.cancel()


def _carried_out(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, jobs: _Jobs) -> Future[T]:
    """Return what becomes of *work*; what has to be done meanwhile comes as jobs, and None at its end."""

    async def told() -> T:
        _waiting.set(jobs)
        return await work

    future = asyncio.run_coroutine_threadsafe(told(), loop)
    future.add_done_callback(lambda _: jobs.put(None))
    return future


async def in_calling_thread(function: Callable[[], T]) -> T:
    """Return what *function* returns, called in the thread that waits for this, or here when none does."""
    jobs = _waiting.get()
    if jobs is None:
        return function()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():  # who asked may have been cancelled
            return
        if error is None:
            answer.set_result(value)  # type: ignore[arg-type]  # it is one when there is no error
        else:
            answer.set_exception(error)

    def job() -> None:
        try:
            value = function()
        except BaseException as error:  # noqa: BLE001  # whatever it is, who asked gets it
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, value, None)

    jobs.put(job)
    return await answer


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that this thread runs, None when it runs none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_waited_for() -> bool:
    """Return whether a thread waits for what is done here."""
    return _waiting.get() is not None


async def to_its_end(work: Callable[[], T], what: str) -> T:
    """
    Do *work* in a thread, and let nobody go before it is done, who is cancelled either: what it uses is in use.

    Args:
        work: is called.
        what: it does, for messages.

    Raises:
        HostError: no thread could be started.
    """
    doing = asyncio.ensure_future(in_thread(what, work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
