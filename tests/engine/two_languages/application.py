"""Workflows in Python, and in ``flows`` those in JavaScript, which start one another."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from torpor import RunFailedError, RunHandle, Torpor, current_step

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")


@dataclass
class Price:
    """What JavaScript only passes on."""

    cents: Decimal


@app.step
async def twice(n: int) -> int:
    """Double."""
    return n * 2


@app.step
async def end_of(run: RunHandle) -> Any:
    """Wait for a run within a step."""
    return await run.result(timeout=30)


@app.workflow
async def python_parent(n: int) -> dict[str, Any]:
    """Python, then JavaScript, then Python."""
    run = await app.start("javascriptChild", n, plus=3)
    result = await run.result()
    return {"run": run, "result": result, "status": await run.status(), "by_step": await end_of(run)}


@app.workflow
async def python_grandchild(n: int, *, plus: int = 1) -> int:
    """The last of the line."""
    return await twice(n) + plus


@app.workflow
async def keeps_types(price: Price) -> Price:
    """Give back what only Python has."""
    return Price(price.cents + 1)


@app.workflow
async def python_raises(message: str) -> None:
    """Fail with an error of Python's."""
    raise LookupError(message)


@app.workflow
async def catches_javascript(message: str) -> list[object]:
    """Await a JavaScript run that throws."""
    run = await app.start("javascriptThrows", message)
    try:
        await run.result()
    except RunFailedError as error:
        return [type(error).__name__, error.run_id == run.id, str(error.__cause__), await run.status()]
    return []


@app.workflow
async def cancels_javascript(token: str) -> list[str]:
    """Cancel a JavaScript run, and await it."""
    run = await app.start("javascriptWaits", token)
    await run.cancel("no more")
    try:
        await run.result()
    except Exception as error:  # noqa: BLE001  # which one it is, is what the test looks at
        return [type(error).__name__, str(error)]
    return []


@app.step
async def own_handle() -> RunHandle:
    """Return the handle of the run that calls."""
    return app.run(current_step().run_id)


@app.workflow
async def awaits_itself() -> Any:
    """Ask for the result that this very run will have."""
    return await (await own_handle()).result()
