"""The application that the SDK's own tools look at: a project of the SDK, and workflows in Python beside it."""

from __future__ import annotations

from torpor import Torpor

app = Torpor("sqlite:///torpor.db", name="shop")
web = app.sdk("web")


@app.workflow
async def greet(name: str) -> str:
    """Greet."""
    return f"hello {name}"


@app.workflow
async def look_up(name: str) -> str:
    """Find nothing."""
    raise KeyError(name)
