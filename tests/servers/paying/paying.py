"""An application whose steps are transactions of the world's database; its own tables are beside the world's."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor, current_step

PUT = "INSERT INTO paid (run) VALUES (%s)"

app = Torpor("memory://", name="paying", root=Path(__file__).parent)


@app.step(transaction=True)
async def pay(order: int) -> int:
    """Put a row on the step's own connection."""
    step = current_step()
    await step.connection.execute(PUT, (step.run_id,))
    return order


@app.workflow
async def paid(order: int) -> int:
    """Pay once."""
    return await pay(order)
