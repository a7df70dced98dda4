"""Hooks."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add
from torpor import ArgumentError, HookConflictError, HookNotFoundError, hook, sleep


@app.workflow
async def hook_payloads(customer: str) -> list[str]:
    seen = []
    async for payload in hook(metadata={"customer": customer}):
        seen.append(payload["message"])
        if payload["done"]:
            break
    return seen


@app.workflow
async def waits_for(token: str) -> Any:
    return await hook(token)


@app.workflow
async def takes_late(token: str, n: int) -> list[Any]:
    early = hook(token)
    await hook(f"{token}-go")
    return [await early for _ in range(n)]


@app.workflow
async def hook_conflict(token: str) -> Any:
    mine = hook(token)
    owner = await mine.conflict()
    if owner is None:
        return await mine
    try:
        return await mine
    except HookConflictError as error:
        return {"error": type(error).__name__, "token": error.token, "owner": owner.id}


@app.workflow
async def hook_dispose_reuse(token: str) -> list[Any]:
    async with hook(token) as first:
        payload = await first
    return [payload, await hook(f"{token}-second")]


@app.workflow
async def disposed_while_awaited(token: str) -> list[Any]:
    doomed = hook(token)

    async def collected() -> list[Any]:
        return [payload async for payload in doomed]

    seen = asyncio.create_task(collected())
    await hook(f"{token}-stop")
    doomed.dispose()
    return await seen


@app.workflow
async def hook_with_sleep(token: str) -> list[int]:
    night = asyncio.create_task(sleep("30d"))
    seen: list[int] = []
    async for payload in hook(token):
        seen.append(await add(payload, 1))
        if len(seen) == 3:
            break
    assert not night.done()
    return seen


@app.workflow
async def many_hooks_and_sleep_race(token: str, hooks: int, total: int) -> dict[str, Any]:
    """Race the next payload of many hooks with a short sleep, until *total* payloads have come."""

    iterators = [aiter(hook(f"{token}-{i}")) for i in range(hooks)]
    awaited: dict[asyncio.Future[Any], int] = {
        asyncio.ensure_future(anext(iterator)): i for i, iterator in enumerate(iterators)
    }
    seen: list[list[int]] = [[] for _ in iterators]
    naps = 0
    while sum(map(len, seen)) < total:
        nap: asyncio.Future[Any] = asyncio.create_task(sleep(random.randint(1, 3) / 1000))
        await asyncio.wait([*awaited, nap], return_when=asyncio.FIRST_COMPLETED)
        naps += nap.done()
        for payload in [each for each in awaited if each.done()]:
            i = awaited.pop(payload)
            seen[i].append(payload.result())
            awaited[asyncio.ensure_future(anext(iterators[i]))] = i
    return {"seen": seen, "naps": naps}


@app.workflow
async def hook_with_unknown_option(token: str) -> None:
    await hook(token, timeout="3d")  # type: ignore[call-overload]  # that is the case


@app.workflow
async def hook_owner_does_it(token: str) -> Any:
    """Do the work of a token once: whoever comes second takes the owner's result."""
    async with hook(token, metadata={"work": token, "since": datetime.fromtimestamp(0, UTC)}) as mine:
        owner = await mine.conflict()
        return await mine if owner is None else {"from": owner.id, "result": await owner.result()}


@app.workflow
async def hook_retained(token: str) -> Any:
    """Dispose of a hook that keeps its token, and wait to be ended."""
    mine = hook(token, min_retention="1h")
    if await mine.conflict():
        return "taken"
    payload = await mine
    mine.dispose()
    await hook(f"{token}-end")
    return payload


@app.workflow
async def hook_retained_too_long(token: str) -> None:
    await hook(token, min_retention="31d")


@dataclass(frozen=True)
class Approval:
    """A payload."""

    amount: int
    by: str


@app.workflow
async def hook_typed(token: str) -> list[Any]:
    """Take payloads until one fits; tell what was wrong with the others."""
    wrong: list[Any] = []
    for typed in (hook(Approval, token=token), hook(int, token=f"{token}-number")):
        while True:
            try:
                payload = await typed
            except ArgumentError as error:
                wrong.append(str(error).replace(token, "TOKEN"))
                continue
            wrong.append([payload.amount, payload.by] if isinstance(payload, Approval) else payload)
            break
    return wrong


@app.workflow
async def hook_resumed_by_run(token: str) -> list[Any]:
    """Resume hooks of another run."""
    other = await app.start(waits_for, token)
    while True:
        try:
            run = await app.resume_hook(token, "from a run")
        except HookNotFoundError:
            await sleep(0.005)
        else:
            return [run.id == other.id, await other.result()]
