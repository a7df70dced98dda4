"""The application of ``test_retried.py``: a step that fails until a file is there, between two that are counted."""

from __future__ import annotations

import os
from pathlib import Path

from torpor import Torpor

FOLDER = Path(os.environ.get("CRASH_LEDGER", "."))

app = Torpor(name="retried")


@app.step
async def reserve(order: str) -> str:
    """Note that something is reserved."""
    with (FOLDER / "reserved").open("a") as ledger:
        ledger.write(f"{order}\n")
    return order


@app.step(max_retries=0)
async def charge(order: str) -> str:
    """Fail until the bank opens."""
    if not (FOLDER / "open").exists():
        raise ConnectionError("the bank is closed")
    return f"{order} paid"


@app.workflow
async def checkout(order: str) -> list[str]:
    """Do something before and after what fails."""
    return [await reserve(order), await charge(order), await reserve(f"{order} again")]
