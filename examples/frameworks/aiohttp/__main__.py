"""Orders in aiohttp: ``python -m examples.frameworks.aiohttp``."""

from __future__ import annotations

from aiohttp import web

from examples.frameworks.shop import PORT, app
from torpor.integrations.aiohttp import TORPOR, mount


async def place(request: web.Request) -> web.Response:
    """Place an order."""
    order = request.match_info["order"]
    run = await request.app[TORPOR].start("checkout", order, 4200, run_id=order)
    return web.json_response({"run": run.id}, status=201)


async def ship(request: web.Request) -> web.Response:
    """Give the parcel to a carrier."""
    run = await request.app[TORPOR].resume_hook(f"parcel:{request.match_info['order']}", "a bicycle")
    return web.json_response({"run": run.id})


async def look(request: web.Request) -> web.Response:
    """Return what became of an order."""
    return web.json_response(await request.app[TORPOR].run(request.match_info["order"]).result(timeout=60))


site = web.Application()
site.router.add_post("/orders/{order}", place)
site.router.add_post("/orders/{order}/ship", ship)
site.router.add_get("/orders/{order}", look)
mount(site, app, worker=True)

if __name__ == "__main__":
    web.run_app(site, host="127.0.0.1", port=PORT)
