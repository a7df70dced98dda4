"""The application beside which hostile programs run: two steps that they may call, and one that they may not."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", name="shop", root=Path(__file__).parent)
escaped: list[str] = []
"""What was done that no tenant may have done."""


@app.step
async def echo(v: object) -> object:
    """Return what it is given."""
    return v


@app.step
async def big(n: int) -> str:
    """Return a text of some length."""
    return "x" * min(n, 1 << 20)


@app.step
async def unlisted(cmd: str) -> str:
    """Do what only the application may."""
    escaped.append(f"unlisted({cmd!r})")
    return "ran"


@app.workflow
async def ours(n: int) -> object:
    """Do something trivial, as a neighbour."""
    return await echo(n + 1)
