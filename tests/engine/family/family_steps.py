"""Steps that have to do with runs."""

from __future__ import annotations

from tests.engine.family.application import app
from torpor import Backoff, RunHandle, current_step, ids


@app.step
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@app.step(name="kindOf")
async def kind_of(run: RunHandle) -> list[object]:
    """Tell what arrived, and hand it back."""
    assert run.id
    return [type(run).__name__, run]


@app.step
async def spawn(workflow: str, numbers: list[int]) -> RunHandle:
    """Start a run from within a step."""
    return await app.start(workflow, numbers)


@app.step(name="endOf", backoff=Backoff(first=0.01))
async def end_of(run: RunHandle) -> object:
    """Wait for a run within a step."""
    return await run.result(timeout=30)


@app.step(name="startTwice", backoff=Backoff(first=0.01))
async def start_twice(workflow: str, numbers: list[int]) -> str:
    """Start a run under an id of this step's, fail, and start it again."""
    run = await app.start(workflow, numbers, run_id=ids.child(current_step().step_id))
    if current_step().attempt == 1:
        raise ConnectionError("after the start")
    return run.id
