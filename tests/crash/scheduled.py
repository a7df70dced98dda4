"""The application of the crash test of schedules: a slot a second, in both languages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("scheduled_flows/*.js")


@app.step
async def note(slot: datetime) -> float:
    """Return the slot's second."""
    return slot.timestamp()


@app.schedule(every="1s", slot_as="slot", catch_up=1000, overlap="allow")
@app.workflow
async def every_second(slot: datetime) -> float:
    """Take a step for each slot."""
    return await note(slot)


app.schedule(every="1s", name="in_javascript", slot_as="slot", catch_up=1000, overlap="allow")("everySecond")
