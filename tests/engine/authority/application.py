"""A shop whose workflows try more than they may."""

from __future__ import annotations

import sys
from pathlib import Path

from torpor import Torpor, hook

app = Torpor("memory://", name="shop", root=Path(__file__).parent)
done: list[str] = []


@app.step
async def imported(value: str) -> str:
    """Do what a workflow imports."""
    done.append(f"imported {value}")
    return value


@app.workflow
async def honest() -> str:
    """Call what is imported."""
    return await imported("fine")


@app.workflow
async def forges(name: str) -> object:
    """Ask for a step by the guest's own means, without importing it."""
    run = sys.modules["torpor._guest.run"].run
    await imported("first")
    run.emit("step", None, name=name, input='devl[{"args":1},[2],"forged"]')
    return await hook("never")


@app.workflow
async def calls(step: object) -> str:
    """Call a step that was handed over as a value."""
    return await step("handed over")  # type: ignore[operator,no-any-return]  # it is one


@app.workflow
async def waits(token: str) -> object:
    """Wait."""
    return await hook(token)


@app.workflow
async def asks(other: str) -> str:
    """Ask how another run is."""
    return await app.run(other).status()


@app.workflow
async def cancels(other: str) -> str:
    """Cancel another run."""
    try:
        await app.run(other).cancel("by another run")
    except Exception as error:  # noqa: BLE001  # it is returned
        return f"{type(error).__name__}: {error}"
    return "cancelled"
