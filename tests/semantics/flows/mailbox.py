"""The mailbox."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add
from torpor import ArgumentError, RunHandle, current_workflow, hook, receive, sleep


@app.workflow
async def mailbox_in_order(n: int) -> list[Any]:
    return [await receive("work") for _ in range(n)]


@app.workflow
async def mailbox_takes_late(token: str, n: int) -> list[Any]:
    """Take nothing before the hook is resumed."""
    await hook(token)
    return [await receive("work") for _ in range(n)]


@app.workflow
async def mailbox_of_two_names() -> list[Any]:
    """Take the messages of two mailboxes, each in its order, with a step and a sleep in between."""
    right = await receive("right")
    total = await add(right, await receive("left"))
    await sleep(0.001)
    return [total, await receive("right"), await receive("left")]


@app.workflow
async def mailbox_times_out() -> list[Any]:
    outcomes: list[str] = []
    for _ in range(3):
        try:
            async with asyncio.timeout(0.001):
                await receive("late")
        except TimeoutError as error:
            outcomes.append(type(error).__name__)
    given = asyncio.create_task(receive("late"))
    await asyncio.sleep(0)
    given.cancel()
    try:
        await given
    except asyncio.CancelledError:
        outcomes.append("given up")
    await receive("go")
    async with asyncio.timeout(3600):
        first = await receive("late")
    return [outcomes, first, await receive("late")]


@app.workflow
async def mailbox_left_behind(n: int) -> str:
    for _ in range(n):
        await receive("work")
    return "enough"


@app.workflow
async def mailbox_between_runs() -> list[Any]:
    """Ask a child for a sum by messages."""
    child = await app.start(mailbox_answers, current_workflow().id)
    await child.send("question", [1, 2])
    await child.send("question", [3, 4])
    return [await receive("answer"), await receive("answer"), await child.result()]


@app.workflow
async def mailbox_answers(parent: str) -> str:
    asker: RunHandle[Any] = app.run(parent)
    for _ in range(2):
        a, b = await receive("question")
        await asker.send("answer", a + b)
    return "done"


@app.workflow
async def mailbox_among_others() -> list[Any]:
    """Receive while steps and short sleeps keep the run awake and asleep in turns, until told to stop."""

    async def stay_awake() -> None:
        for n in range(20):
            await add(n, 1)
            await sleep(0.001)

    awake = asyncio.create_task(stay_awake())
    seen = []
    while (message := await receive("work")) != "stop":
        seen.append(message)
    await awake
    return seen


@app.workflow
async def mailbox_with_bad_name(name: str) -> None:
    await receive(name)


@app.workflow
async def mailbox_typed() -> list[Any]:
    seen: list[Any] = []
    while len(seen) < 3:
        try:
            seen.append(await receive("number", int))
        except ArgumentError as error:
            seen.append(str(error))
    return seen
