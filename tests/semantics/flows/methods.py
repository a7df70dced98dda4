"""Steps that belong to classes, and steps that carry something along."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import Market, Shelf, Till, add, apply, count_all, count_of, echo
from torpor import sleep


@app.workflow
async def static_method_steps(cents: int) -> int:
    return await Till.price(cents)


@app.workflow
async def sibling_static_steps(cents: int) -> list[int]:
    return [await Till.price(cents), await Market.price(cents)]


@app.workflow
async def this_in_static_step(cents: int) -> list[Any]:
    till, market = rated(Till), rated(Market)
    return [await till(cents), await market(cents), await apply(market, cents)]


def rated(cls: Any) -> Any:  # type checkers miss an argument for the class
    return cls.rated


@app.workflow
async def instance_method_steps(label: str) -> list[Any]:
    shelf = Shelf(label, 3)
    moved = await shelf.moved(5)
    return [await shelf.count(2), await moved.count(2), await count_all(Shelf.count, [shelf, moved], 10)]


@app.workflow
async def step_with_closure(n: int) -> list[Any]:
    async def plus(m: int) -> Any:  # a closure of the workflow's own, which calls a step
        return await add(n, m)

    return [await plus(1), await apply(add, n, 10), await (await echo(add))(n, 100)]


@app.workflow
async def closure_variables(n: int) -> list[Any]:
    total = 0

    def adding(by: int) -> Callable[[], Awaitable[int]]:
        async def step() -> int:
            nonlocal total
            total = await add(total, n * by)  # reads and writes variables of the workflow around a wait
            return by

        return step

    steps = [adding(by) for by in (1, 2, 3)]
    bys = []
    for step in steps:
        await sleep("1ms")
        bys.append(await step())
    return [bys, total]


@app.workflow
async def methods_as_values(label: str) -> list[Any]:
    shelf = Shelf(label, 3)
    count = shelf.count
    return [
        await count(2),
        await Shelf.count(shelf, 3),
        await functools.partial(Shelf.count, shelf)(4),
        await apply(count, 5),
        await (await echo(functools.partial(count)))(6),
        await (await count_of(shelf))(7),
    ]
