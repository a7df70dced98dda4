"""Steps that belong to classes, and steps that carry something along."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import Market, Shelf, Till, add, apply, count_all, echo


@app.workflow
async def static_method_steps(cents: int) -> int:
    return await Till.price(cents)


@app.workflow
async def sibling_static_steps(cents: int) -> list[int]:
    return [await Till.price(cents), await Market.price(cents)]


@app.workflow
async def this_in_static_step(cents: int) -> list[Any]:
    return [await rated(Till, cents), await rated(Market, cents)]


async def rated(cls: Any, cents: int) -> Any:  # type checkers miss an argument for the class
    return await cls.rated(cents)


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
