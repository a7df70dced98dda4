"""asyncio, all of it: what works anywhere works in a workflow, and a timer lasts as long as it must."""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add, echo, fails, never
from torpor import StepError, hook

HOUR = 3_600.0

whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody")


@app.workflow
async def task_group() -> int:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(add(i, 1)) for i in range(10)]
    return sum(task.result() for task in tasks)


@app.workflow
async def task_group_with_a_failing_child() -> list[str]:
    told = []

    async def waits() -> None:
        try:
            await never()
        except asyncio.CancelledError:
            told.append("sibling cancelled")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits())
            group.create_task(fails())
            group.create_task(fails())
    except* StepError as errors:
        told += [f"{type(errors).__name__} of {type(error.__cause__).__name__}" for error in errors.exceptions]
    return told


@app.workflow
async def timeout_around_a_step() -> list[object]:
    before = time.time()
    try:
        async with asyncio.timeout(HOUR):
            await never()
    except TimeoutError:
        return ["late", time.time() - before]
    return ["in time"]


@app.workflow
async def timeout_around_a_sleep() -> list[object]:
    before = time.monotonic()
    try:
        async with asyncio.timeout(HOUR):
            await asyncio.sleep(10 * HOUR)
    except TimeoutError:
        return ["late", time.monotonic() - before]
    return ["in time"]


@app.workflow
async def timeout_that_is_not_reached() -> list[int]:
    sums = []
    for i in range(20):
        async with asyncio.timeout(HOUR):
            sums.append(await add(i, 1))
    return sums


@app.workflow
async def timeout_before_a_hook(token: str) -> object:
    async with asyncio.timeout(HOUR):
        await add(1, 1)
    return await hook(token)


@app.workflow
async def wait_for() -> list[object]:
    in_time = await asyncio.wait_for(echo("in time"), HOUR)
    try:
        return [in_time, await asyncio.wait_for(never(), HOUR)]
    except TimeoutError:
        return [in_time, "late"]


@app.workflow
async def shield(token: str) -> list[object]:
    inner = asyncio.ensure_future(hook(token))
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await add(1, 1)
    outer.cancel()
    try:
        await outer
    except asyncio.CancelledError:
        return ["outer cancelled", await inner]
    return []


@app.workflow
async def as_completed() -> list[int]:
    return [await each for each in asyncio.as_completed([echo(i) for i in range(5)])]


@app.workflow
async def queue(items: int, workers: int) -> list[int]:
    """Let one task produce what several consume."""
    work: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    results: list[int] = []

    async def produce() -> None:
        for item in range(items):
            await work.put(await echo(item))
        work.shutdown()  # type: ignore[attr-defined]  # the guest is newer than the oldest host

    async def consume() -> None:
        while True:
            try:
                item = await work.get()
            except asyncio.QueueShutDown:  # type: ignore[attr-defined]  # as above
                return
            results.append(await add(item, 100))

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(workers):
            group.create_task(consume())
    return results


@app.workflow
async def lock(tasks: int) -> int:
    """Read, wait and write under a lock: without it the tasks would overwrite what others wrote."""
    guard = asyncio.Lock()
    total = 0

    async def increment() -> None:
        nonlocal total
        async with guard:
            total = await add(total, 1)

    await asyncio.gather(*(increment() for _ in range(tasks)))
    return total


@app.workflow
async def semaphore(steps: int, most: int) -> int:
    places = asyncio.Semaphore(most)

    async def one(i: int) -> int:
        async with places:
            return await add(i, 1)

    return sum(await asyncio.gather(*(one(i) for i in range(steps))))


@app.workflow
async def events_and_barriers() -> list[str]:
    order = []
    door = asyncio.Event()
    barrier = asyncio.Barrier(3)

    async def passes(name: str) -> None:
        await door.wait()
        order.append(await echo(f"{name} in"))
        await barrier.wait()
        order.append(f"{name} out")

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(passes(name))
        asyncio.get_running_loop().call_later(HOUR, door.set)
    return [line.partition(" ")[2] for line in order]


@app.workflow
async def context_variables() -> dict[str, str]:
    async def visit(name: str) -> tuple[str, str]:
        whose.set(name)
        await add(1, 1)
        await asyncio.sleep(random.random() / 1000)
        return name, whose.get()

    whose.set("the workflow")
    seen = dict(await asyncio.gather(*(visit(name) for name in ("ada", "grace"))))
    return {**seen, "own": whose.get()}


@app.workflow
async def cancelled_task() -> list[str]:
    """Cancel a task that awaits a step; it may still run steps to clean up."""
    told = []

    async def careful() -> None:
        try:
            await never()
        except Exception:  # noqa: BLE001  # cancellation must get past this
            told.append("swallowed")
        finally:
            told.append(await echo("cleaned up"))

    task = asyncio.create_task(careful())
    await add(1, 1)
    task.cancel("enough")
    try:
        await task
    except asyncio.CancelledError as error:
        told.append(str(error))
    return [*told, await echo("went on")]


@app.workflow
async def async_generator() -> list[object]:
    told: list[object] = []

    async def countdown(n: int) -> AsyncIterator[int]:
        try:
            for i in range(n, 0, -1):
                yield await echo(i)
        finally:
            told.append(await echo("closed"))

    numbers = countdown(3)
    async for number in numbers:
        told.append(number)
        if number == 2:
            break
    await numbers.aclose()  # type: ignore[attr-defined]  # it is a generator
    return told


@app.workflow
async def refused() -> dict[str, str]:
    """Try what a VM cannot have."""

    def in_a_thread() -> None:
        raise AssertionError("a thread ran")

    attempts: dict[str, Any] = {
        "to_thread": lambda: asyncio.to_thread(in_a_thread),
        "open_connection": lambda: asyncio.open_connection("127.0.0.1", 80),
        "create_subprocess_exec": lambda: asyncio.create_subprocess_exec("true"),
    }
    told = {}
    for name, attempt in attempts.items():
        try:
            await attempt()
        except Exception as error:  # noqa: BLE001  # what it says is what the test looks at
            told[name] = str(error)
    blocking: dict[str, Any] = {
        "time.sleep": lambda: time.sleep(1),
        "socket": lambda: socket.create_connection(("127.0.0.1", 80)),
    }
    for name, attempt in blocking.items():
        try:
            attempt()
        except Exception as error:  # noqa: BLE001  # as above
            told[name] = str(error)
    return told
