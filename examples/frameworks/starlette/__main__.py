"""Orders in Starlette: ``python -m examples.frameworks.starlette``."""

from __future__ import annotations

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from examples.frameworks.shop import PORT, app
from torpor.integrations.starlette import mount, torpor_of


async def place(request: Request) -> JSONResponse:
    """Place an order."""
    order = request.path_params["order"]
    run = await torpor_of(request).start("checkout", order, 4200, run_id=order)
    return JSONResponse({"run": run.id}, 201)


async def ship(request: Request) -> JSONResponse:
    """Give the parcel to a carrier."""
    run = await torpor_of(request).resume_hook(f"parcel:{request.path_params['order']}", "a bicycle")
    return JSONResponse({"run": run.id})


async def look(request: Request) -> JSONResponse:
    """Return what became of an order."""
    return JSONResponse(await torpor_of(request).run(request.path_params["order"]).result(timeout=60))


site = Starlette(
    routes=[
        Route("/orders/{order}", place, methods=["POST"]),
        Route("/orders/{order}/ship", ship, methods=["POST"]),
        Route("/orders/{order}", look),
    ]
)
mount(site, app, worker=True)

if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
