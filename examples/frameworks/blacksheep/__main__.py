"""Orders in BlackSheep: ``python -m examples.frameworks.blacksheep``."""

from __future__ import annotations

import uvicorn
from blacksheep import Application, Response, json

from examples.frameworks.shop import PORT, app
from torpor import Torpor
from torpor.integrations.blacksheep import mount

site = Application()
mount(site, app, worker=True)


@site.router.post("/orders/{order}")
async def place(order: str, torpor: Torpor) -> Response:
    """Place an order."""
    run = await torpor.start("checkout", order, 4200, run_id=order)
    return json({"run": run.id}, 201)


@site.router.post("/orders/{order}/ship")
async def ship(order: str, torpor: Torpor) -> Response:
    """Give the parcel to a carrier."""
    run = await torpor.resume_hook(f"parcel:{order}", "a bicycle")
    return json({"run": run.id})


@site.router.get("/orders/{order}")
async def look(order: str, torpor: Torpor) -> Response:
    """Return what became of an order."""
    return json(await torpor.run(order).result(timeout=60))


if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
