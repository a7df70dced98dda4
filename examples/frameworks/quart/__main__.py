"""Orders in Quart: ``python -m examples.frameworks.quart``."""

from __future__ import annotations

from typing import Any

import uvicorn
from quart import Quart

from examples.frameworks.shop import PORT, app
from torpor.integrations.quart import current_torpor, mount

site = Quart("shop")
mount(site, app, worker=True)


@site.post("/orders/<order>")
async def place(order: str) -> tuple[dict[str, str], int]:
    """Place an order."""
    run = await current_torpor().start("checkout", order, 4200, run_id=order)
    return {"run": run.id}, 201


@site.post("/orders/<order>/ship")
async def ship(order: str) -> dict[str, str]:
    """Give the parcel to a carrier."""
    run = await current_torpor().resume_hook(f"parcel:{order}", "a bicycle")
    return {"run": run.id}


@site.get("/orders/<order>")
async def look(order: str) -> list[Any]:
    """Return what became of an order."""
    found: list[str] = await current_torpor().run(order).result(timeout=60)
    return found


if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
