"""Steps one after another, and what a workflow knows of itself."""

from __future__ import annotations

import logging
import random
import time
import uuid
from datetime import datetime
from typing import TypedDict

from tests.semantics.application import app
from tests.semantics.flows.helping import which_run
from tests.semantics.plain_steps import double
from tests.semantics.steps import (
    StepFacts,
    add,
    add_twice,
    describe_itself,
    describe_run,
    describe_run_later,
    echo,
    multiply,
    name_of_thread,
    render,
)
from torpor import WorkflowMetadata, current_workflow, hook

calls: list[str] = []


class Facts(TypedDict):
    """What a workflow knows of itself."""

    name: str
    runId: str
    startedAt: datetime
    url: str
    step: StepFacts


@app.workflow
async def add_ten(n: int) -> int:
    a = await add(n, 2)
    b = await add(a, 3)
    return await add(b, 5)


@app.workflow
async def count_then_wait(n: int, token: str) -> int:
    total = 0
    for _ in range(n):
        total = await add(total, 1)
    await hook(token)
    return total


@app.workflow
async def imported_step_only(n: int) -> int:
    return await double(n)


@app.workflow
async def calls_sync_steps(n: int) -> list[object]:
    return [await multiply(n, 3), await name_of_thread()]


@app.workflow
async def calls_inside(n: int) -> int:
    return await add_twice(n)


@app.workflow
async def null_byte() -> list[str]:
    text = "null byte \0"
    return [text, await echo(text)]


@app.workflow
async def metadata() -> Facts:
    me = current_workflow()
    return {"name": me.name, "runId": me.id, "startedAt": me.started_at, "url": me.url, "step": await describe_itself()}


@app.workflow
async def metadata_in_steps() -> list[WorkflowMetadata]:
    return [current_workflow(), await describe_run(), await describe_run_later()]


@app.workflow
async def helper_metadata() -> str:
    await add(1, 1)
    return which_run()


@app.workflow
async def import_meta() -> str:
    await add(1, 1)
    return __file__


@app.workflow
async def rendered_in_step(name: str) -> str:
    return await render("Dear $name, $$5 are due.", {"name": name})


@app.workflow
async def logs() -> None:
    print("before", 1)
    await add(1, 1)
    logging.warning("after")


@app.workflow
async def counts_its_calls() -> int:
    calls.append("called")
    await add(1, 1)
    return len(calls)


@app.workflow
async def draws() -> list[object]:
    def draw() -> list[object]:
        return [random.random(), str(uuid.uuid4()), round(time.time() * 1000)]

    first = draw()
    await add(1, 1)
    return [*first, *draw()]
