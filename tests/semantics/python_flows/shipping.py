"""A workflow that gets instances of a class that it does not import."""

from __future__ import annotations

from tests.semantics.application import app
from tests.semantics.python_flows.packing import pack, weigh


@app.workflow
async def ships() -> list[object]:
    parcel = await pack("lamp", "bag")
    parcel.names.append("bow")
    return [type(parcel).__name__, parcel.label(), await weigh(parcel)]
