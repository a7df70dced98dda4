"""Steps that make and take parcels."""

from __future__ import annotations

from tests.semantics.application import app
from tests.semantics.python_flows.parcels import Parcel


@app.step
async def pack(*names: str) -> Parcel:
    """Make a parcel."""
    return Parcel(list(names))


@app.step
async def weigh(parcel: Parcel) -> int:
    """Take a parcel."""
    return len(parcel.names)
