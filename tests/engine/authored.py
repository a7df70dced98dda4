"""An application in one file: steps in Python, called by workflows in both languages."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path

import psutil

from torpor import FatalError, Torpor, current_workflow, hook, sleep

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("authored_flows/*.js")

PROCESS = os.getpid()  # outside only: no workflow reaches it


class Colour(Enum):
    """Of a parcel."""

    RED = "red"
    GREEN = "green"


@dataclass
class Parcel:
    """What is shipped."""

    order: str
    weight: Decimal
    colour: Colour = Colour.RED
    labels: set[str] = field(default_factory=set)


class OutOfStockError(Exception):
    """Raised by a step, caught by the workflow."""


@app.step(max_retries=5, timeout="30s")
async def charge(order_id: str, cents: int) -> str:
    """Return a receipt."""
    return f"{order_id} paid {cents} in {type(PROCESS).__name__}"


@app.step
def pack(order_id: str, *, weight: Decimal = Decimal("0.5"), colour: Colour = Colour.GREEN) -> Parcel:
    """Pack in a thread."""
    if order_id == "none left":
        raise FatalError("none left") from OutOfStockError(order_id)
    return Parcel(order_id, weight, colour, {f"{psutil.Process().is_running()}"})


@app.workflow
async def checkout(order_id: str, cents: int) -> dict[str, str]:
    """Do a little of everything."""
    receipt = await charge(order_id, cents)
    async with asyncio.timeout(3600):
        await asyncio.sleep(random.uniform(0.001, 0.005))
    await sleep("1ms")
    decision = await hook(f"approve:{order_id}")
    return {"receipt": receipt, "decision": decision}


@app.workflow
async def wraps_a_failure() -> None:
    """Raise an error of its own for one of a step."""
    try:
        await pack("none left")
    except FatalError as error:
        raise LookupError("nothing to ship") from error


@app.workflow(name="ship")
async def ship_parcel(order_id: str, weight: Decimal = Decimal(1), *, colour: Colour = Colour.RED) -> Parcel:
    """Pack, or tell that there is nothing left."""
    try:
        parcel = await pack(order_id, weight=weight, colour=colour)
    except FatalError as error:
        return Parcel(f"nothing: {isinstance(error.__cause__, OutOfStockError)}", Decimal(0))
    assert type(parcel) is Parcel
    parcel.labels.add(parcel.colour.value)
    return parcel


@app.workflow
async def uses_a_package_of_steps() -> int:
    """Use what is outside."""
    return psutil.Process().pid


@app.step
async def which_deployment() -> str:
    """Return the address that a step knows."""
    return current_workflow().url


@app.workflow
async def deployments() -> list[str]:
    """Return the address that the workflow knows, and that a step knows."""
    return [current_workflow().url, await which_deployment()]


@app.step
async def repeats(text: str) -> str:
    """Return a text."""
    return text


@app.workflow
async def moved() -> list[str]:
    """Return the address that the workflow knew before it waited, and the one that it knows then."""
    before = await repeats(current_workflow().url)
    await hook("moved")
    return [before, current_workflow().url]


@app.workflow
async def plain(number: int) -> int:
    """Add one."""
    return number + 1
