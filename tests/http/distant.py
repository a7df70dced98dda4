"""An application whose steps a distant service carries out: by TLS, for long, or not at all; and which serves one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from torpor import Backoff, FatalError, StepError, Torpor, current_step, hook

THERE = os.environ.get("THERE", "http://127.0.0.1:1")
"""The distant service; a test in the same process puts another address in its place."""

app = Torpor("sqlite:///torpor.db", name="distant", root=Path(__file__).parent)
quickly = Backoff(first=0.001, most=0.5)


@app.step(
    url=f"{THERE}/tls", ca="DISTANT_CA", certificate="DISTANT_CERTIFICATE", backoff=quickly, max_retries=1, timeout=20
)
async def ask_safely(what: str) -> str:
    """Ask by TLS, as somebody."""
    raise AssertionError("it is carried out elsewhere", what)


@app.step(url=f"{THERE}/ask", backoff=quickly)
async def ask(what: str) -> str:
    """Ask."""
    raise AssertionError("it is carried out elsewhere", what)


@app.step(url=f"{THERE}/steps/hold", backoff=quickly, max_retries=100)
async def hold_there(folder: str) -> int:
    """Wait for a file, over there."""
    raise AssertionError("it is carried out elsewhere", folder)


@app.step
async def hold(folder: str) -> int:
    """Note the attempt, and wait for a file, for whoever asks."""
    step = current_step()
    Path(folder, f"{step.step_id} {step.attempt}").touch()  # noqa: ASYNC240  # at once
    while not Path(folder, "gate").exists():  # noqa: ASYNC110, ASYNC240  # nobody tells of files
        await asyncio.sleep(0.01)
    return step.attempt


@app.workflow
async def asking_safely(what: str) -> str:
    """Ask by TLS, and tell what came of it."""
    try:
        return await ask_safely(what)
    except (StepError, FatalError) as error:
        return f"{type(error).__name__}: {error}"


@app.workflow
async def asking(what: str) -> Any:
    """Ask, and go on waiting for somebody."""
    told = await ask(what)
    return [told, await hook(token=f"then {what}")]


@app.workflow
async def holding(folder: str) -> int:
    """Wait for a file, over there."""
    return await hold_there(folder)
