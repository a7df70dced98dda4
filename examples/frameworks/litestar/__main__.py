"""Orders in Litestar: ``python -m examples.frameworks.litestar``."""

from __future__ import annotations

import uvicorn
from litestar import Litestar, get, post

from examples.frameworks.shop import PORT, app
from torpor import Torpor
from torpor.integrations.litestar import TorporPlugin


@post("/orders/{order:str}")
async def place(order: str, torpor: Torpor) -> dict[str, str]:
    """Place an order."""
    run = await torpor.start("checkout", order, 4200, run_id=order)
    return {"run": run.id}


@post("/orders/{order:str}/ship", status_code=200)
async def ship(order: str, torpor: Torpor) -> dict[str, str]:
    """Give the parcel to a carrier."""
    run = await torpor.resume_hook(f"parcel:{order}", "a bicycle")
    return {"run": run.id}


@get("/orders/{order:str}")
async def look(order: str, torpor: Torpor) -> list[str]:
    """Return what became of an order."""
    found: list[str] = await torpor.run(order).result(timeout=60)
    return found


site = Litestar([place, ship, look], plugins=[TorporPlugin(app, worker=True)])

if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
