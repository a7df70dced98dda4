"""Workflows that fall asleep in every way there is; ``orders.js`` has the same ones."""

from __future__ import annotations

import asyncio
import enum
import random
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.releases.shop.application import app
from tests.releases.shop.steps import (
    add,
    broken_scale,
    closed_until_spring,
    deadly,
    out_of_stock,
    price,
    slow_parcel,
)
from torpor import HookConflictError, hook, sleep


class Size(enum.Enum):
    """How large a parcel is."""

    SMALL = 1
    LARGE = 2


@dataclass
class Basket:
    """What somebody wants to buy."""

    owner: str
    items: list[str] = field(default_factory=list)
    size: Size = Size.SMALL


def numbers() -> Iterator[int]:
    """Count."""
    n = 0
    while True:
        n += 1
        yield n


def counter() -> Callable[[], int]:
    """Return a function that counts its calls."""
    calls = 0

    def count() -> int:
        nonlocal calls
        calls += 1
        return calls

    return count


@app.workflow
async def sold(item: str) -> int:
    return await add(await price(item), 1)


@app.workflow
async def never_sold(item: str) -> None:
    await out_of_stock(item)


@app.workflow
async def badly_weighed() -> int:
    return await broken_scale()


@app.workflow
async def hold(token: str) -> Any:
    """Hold all kinds of values while a hook is awaited, and tell them afterwards."""
    basket = Basket("Åsa", ["tea", "cup"], Size.LARGE)
    ordinals, count = numbers(), counter()
    next(ordinals), count()
    when = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
    total, big = Decimal("12.30"), 2**70
    bag, line = Counter("abracadabra"), deque([1, 2, 3], maxlen=3)
    raw, tags = bytes(range(8)), {"x", "y"}
    loop: list[Any] = [basket]
    loop.append(loop)
    drawn = [random.random(), str(uuid.uuid4())]
    print("drawn", drawn)
    cost = await price("teapot")
    payload = await hook(token, metadata={"basket": basket.items})
    line.append(4)
    return {
        "payload": payload,
        "cost": cost,
        "basket": [basket.owner, basket.items, basket.size.name, loop[0] is basket, loop[1] is loop],
        "counted": [next(ordinals), count()],
        "when": when.isoformat(),
        "total": str(total + 1),
        "big": str(big),
        "bag": bag["a"],
        "line": list(line),
        "raw": raw.hex(),
        "tags": sorted(tags),
        "drawn": drawn,
    }


@app.workflow
async def hibernate() -> str:
    before = await add(1, 1)
    await sleep("300d")
    return f"slept after {before}, then {await add(2, 2)}"


@app.workflow
async def parent(token: str) -> list[Any]:
    child = await app.start(mailbox, token)
    return ["the child says", await child.result()]


@app.workflow
async def mailbox(token: str) -> list[int]:
    sums: list[int] = []
    async for letter in hook(token):
        if letter is None:
            break
        sums.append(await add(letter, len(sums)))
    return sums


@app.workflow
async def patience() -> int:
    return await closed_until_spring()


@app.workflow
async def parcel() -> str:
    return await slow_parcel()


@app.workflow
async def caught() -> str:
    await add(1, 1)
    return await deadly()


@app.workflow
async def crowd(token: str) -> list[Any]:
    async def first_add() -> Any:
        return await add(await add(20, 1), await hook(f"{token}-one"))

    async def first_sleep() -> str:
        await sleep("200d")
        return "slept"

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(first_add()),
            group.create_task(first_sleep()),
            group.create_task(asyncio.wait_for(hook(f"{token}-two"), 400 * 86_400)),
        ]
    return [task.result() for task in tasks]


@app.workflow
async def second_thoughts(token: str) -> list[Any]:
    async with hook(token) as first:
        seen = [await first]
    again = hook(token)
    seen.append(await again)
    seen.append(await again)
    return seen


@app.workflow
async def too_late(token: str) -> list[Any]:
    wanted = hook(token)
    try:
        return [await wanted]
    except HookConflictError as error:
        return [type(error).__name__, error.token, await hook(f"{token}-instead")]


@app.workflow
async def long_story(steps: int, token: str) -> list[Any]:
    total = 0
    for n in range(steps):
        total = await add(total, n)
    return [total, await hook(token), await add(total, 1)]
