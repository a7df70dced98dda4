"""Steps that run at the same time."""

from __future__ import annotations

import asyncio

from tests.semantics.application import app
from tests.semantics.steps import add, echo, fails, never


@app.workflow
async def promise_all() -> str:
    return "".join(await asyncio.gather(*(echo(letter) for letter in "ABC")))


@app.workflow
async def promise_race() -> str:
    tasks = [asyncio.ensure_future(each) for each in (never(), echo("fastest"), never())]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop().result()


@app.workflow
async def promise_any() -> str:
    for attempt in asyncio.as_completed([fails(), never(), echo("first success")]):
        try:
            return str(await attempt)
        except Exception:  # noqa: BLE001, S112  # the first success is wanted, whatever else fails
            continue
    return "none"


@app.workflow
async def never_ends() -> None:
    await never()


@app.workflow
async def promise_race_stress() -> list[int]:
    running = {asyncio.ensure_future(echo(index)) for index in range(5)}
    order = []
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        order += [task.result() for task in done]
    return order


@app.workflow
async def fan_out(n: int) -> int:
    return sum(await asyncio.gather(*(add(i, 1) for i in range(n))))


@app.workflow
async def one_of_many_fails() -> str | None:
    try:
        await asyncio.gather(echo("a"), fails(), never())
    except Exception as error:  # noqa: BLE001  # its text is what the test looks at
        return str(error)
    return None
