"""Steps of the shop that none of its workflows imports."""

from __future__ import annotations

from tests.engine.authority.application import app, done


@app.step
async def unlisted(value: str) -> str:
    """Do what no workflow imports."""
    done.append(f"unlisted {value}")
    return value
