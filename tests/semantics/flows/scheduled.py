"""What schedules start."""

from __future__ import annotations

from datetime import datetime

from tests.semantics.application import app


@app.workflow
async def told_the_slot(slot: datetime) -> int:
    """Return its slot in milliseconds."""
    return round(slot.timestamp() * 1000)
