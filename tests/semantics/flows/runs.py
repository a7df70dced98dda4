"""Runs that say how they stand, and that start others with more than arguments."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.semantics.application import app
from tests.semantics.flows.children import doubled
from tests.semantics.steps import add, pass_gate
from torpor import TorporError, current_workflow, hook, set_attributes, set_status, sleep


@app.workflow
async def telling(token: str) -> int:
    set_attributes({"customer": token, "note": "brief"})
    set_status("waiting for approval")
    await hook(token)
    set_attributes({"note": None, "käse": "€"})
    set_status("approved")
    sum_ = await add(1, 2)
    set_status("")
    return sum_


@app.workflow
async def telling_too_much() -> list[str]:
    refused = []
    for attributes in (
        "text",
        {"$status": "mine"},
        {"": "x"},
        {"n": 7},
        {"n" * 257: "x"},
        {"long": "€" * 86},
        {f"n{n}": "x" * 256 for n in range(33)},
    ):
        try:
            set_attributes(attributes)  # type: ignore[arg-type]  # that is what is tried
        except TorporError as error:
            refused.append(str(error))
    set_attributes({"n" * 256: "€" * 85 + "x"})
    return refused


@app.workflow
async def telling_too_many() -> None:
    for half in range(2):
        set_attributes({f"n{half}{n}": "" for n in range(33)})
    await sleep("1h")


@app.workflow
async def sleeping_for(duration: str) -> str:
    await sleep(duration)
    return "awake"


@app.workflow
async def calling_for_ever(token: str) -> None:
    while True:
        set_status(token)
        await add(1, 1)
        await sleep(1)


@app.workflow
async def starting_with_options(name: str) -> list[Any]:
    about = {"customer": name}
    child = await app.start(
        doubled, 4, run_id=name, queue="slow", priority=7, delay="1h", deadline="2h", attributes=about
    )
    again = await app.start(doubled, 4, run_id=name)
    return [child.id, again.id, current_workflow().id]


@app.workflow
async def starting_at(moment: str) -> str:
    child = await app.start(doubled, 4, at=moment)
    return child.id


@app.workflow
async def starting_a_taken_one(name: str) -> str:
    try:
        await app.start(doubled, 5, run_id=name)
    except TorporError as error:
        return type(error).__name__
    return "started"


@app.workflow
async def starting_wrongly() -> list[str]:
    refused = []
    for options in ({"priority": 101}, {"queue": "q" * 101}, {"delay": "soon"}, {"attributes": {"$own": "x"}}):
        try:
            await app.start(doubled, 4, **options)
        except TorporError as error:
            refused.append(str(error))
    return refused


@app.workflow
async def passing_a_gate(name: str) -> str:
    return await pass_gate(name)


@app.workflow
async def ending_a_timeout(token: str) -> str:
    try:
        async with asyncio.timeout(3600):
            await hook(token)
    except TimeoutError:
        return "timed out"
    return "received"
