"""An application with a project of the Workflow SDK, and steps and workflows of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from torpor import StepError, Torpor

app = Torpor()
web = app.sdk("web")


@dataclass
class Line:
    """A line of an order."""

    name: str
    count: int


@app.step
async def invoice(order: str, cents: int) -> str:
    """Be called by the project."""
    return f"{order} owes {cents} in Python"


@app.step
async def priced(order: str) -> dict[str, Any]:
    """Return what JavaScript has no types for."""
    return {"price": Decimal("4.20"), "due": date(2026, 11, 30), "line": Line(order, 1)}


@app.step
async def told(value: Any) -> str:
    """Tell a value as Python does."""
    return repr(value)


@web.step("charge")
async def charge(order: str, cents: int) -> str:
    """Be the project's step."""
    raise AssertionError(order, cents)


@web.step("dies", max_retries=0)
async def dies() -> None:
    """Be the project's step that ends its process."""


@app.workflow
async def from_python(order: str) -> str:
    """Call a step in TypeScript."""
    return await charge(order, 42)


@app.workflow
async def killing() -> str:
    """Call what ends its process."""
    try:
        await dies()
    except StepError as error:
        return str(error)
    return "it lives"
