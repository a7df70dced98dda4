"""Orders in FastAPI: ``python -m examples.frameworks.fastapi``."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from examples.frameworks.shop import PORT, app
from torpor.integrations.fastapi import CurrentTorpor, mount

site = FastAPI(title="Shop")
mount(site, app, worker=True)


@site.post("/orders/{order}", status_code=201)
async def place(order: str, torpor: CurrentTorpor) -> dict[str, str]:
    """Place an order."""
    run = await torpor.start("checkout", order, 4200, run_id=order)
    return {"run": run.id}


@site.post("/orders/{order}/ship")
async def ship(order: str, torpor: CurrentTorpor) -> dict[str, str]:
    """Give the parcel to a carrier."""
    run = await torpor.resume_hook(f"parcel:{order}", "a bicycle")
    return {"run": run.id}


@site.get("/orders/{order}")
async def look(order: str, torpor: CurrentTorpor) -> list[str]:
    """Return what became of an order."""
    found: list[str] = await torpor.run(order).result(timeout=60)
    return found


if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
