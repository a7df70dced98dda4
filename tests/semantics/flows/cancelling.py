"""Workflows that are cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import echo, never, note, obey, sleeps_in_thread
from torpor import hook, receive, sleep


@app.workflow
async def cleans_up(diary: str) -> None:
    try:
        await sleep("1y")
    finally:
        await note(diary, "released")
        await sleep("1s")
        await note(diary, "after a second")


@app.workflow
async def cleans_up_in_catch(diary: str) -> None:
    try:
        await hook(diary)
    except asyncio.CancelledError as error:
        await note(diary, str(error))
        raise


@app.workflow
async def cleans_up_by_helper(diary: str) -> None:
    try:
        await never()
    finally:
        await undo(diary)


async def undo(diary: str) -> None:
    for n in range(3):
        await note(diary, f"undone {n}")


@app.workflow
async def cleans_up_together(diary: str) -> None:
    async def part(name: str) -> None:
        try:
            await never()
        finally:
            await note(diary, name)

    try:
        await asyncio.gather(part("a"), part("b"))
    finally:
        await asyncio.gather(note(diary, "c"), note(diary, "d"))


@app.workflow
async def swallows(diary: str) -> str:
    for n in range(3):
        try:
            await sleep("1y")
        except asyncio.CancelledError:
            await note(diary, f"swallowed {n}")
    await note(diary, "went on")
    return "done"


@app.workflow
async def swallows_and_returns(diary: str) -> str:
    try:
        await sleep("1y")
    except asyncio.CancelledError:
        await note(diary, "swallowed")
    return "done"


@app.workflow
async def fails_in_cleanup() -> None:
    try:
        await sleep("1y")
    finally:
        raise ValueError("broken cleanup")


@app.workflow
async def cleans_up_for_ever(diary: str) -> None:
    try:
        await sleep("1y")
    finally:
        await note(diary, "begun")
        await sleep("1y")
        await note(diary, "never")


@app.workflow
async def cleans_up_in_many_steps(diary: str) -> None:
    try:
        await sleep("1y")
    finally:
        for n in range(10):
            await note(diary, str(n))


@app.workflow
async def waits_for_steps(diary: str) -> None:
    await asyncio.gather(obey(diary), sleeps_in_thread(diary))


@app.workflow
async def parent_of(child: str, diary: str, apart: bool) -> Any:
    run = await app.start(child, diary, detached=apart)
    await hook(metadata=await echo(run.id))
    return await run.result()


@app.workflow
async def computes_long(diary: str, rounds: int) -> None:
    await hook(diary)
    total = 0
    for n in range(rounds):
        total += n
    try:
        await sleep("1y")
    finally:
        await note(diary, "released")


@app.workflow
async def sleeps_in_a_crowd() -> None:
    await sleep("1y")


@app.workflow
async def cleans_up_by_message(diary: str) -> None:
    try:
        await sleep("1y")
    finally:
        async with asyncio.timeout(3600):
            await note(diary, await receive("confirmed"))
        await note(diary, await receive("confirmed"))
