"""An application with a project of the Workflow SDK, and steps and workflows of its own."""

from __future__ import annotations

from torpor import StepError, Torpor

app = Torpor()
web = app.sdk("web")


@app.step
async def invoice(order: str, cents: int) -> str:
    """Be called by the project."""
    return f"{order} owes {cents} in Python"


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
