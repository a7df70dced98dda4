"""Another application."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor, hook

app = Torpor("memory://", name="billing", root=Path(__file__).parent)


@app.workflow
async def bills(token: str) -> object:
    """Wait."""
    return await hook(token)
