"""Orders in Sanic: ``python -m examples.frameworks.sanic``."""

from __future__ import annotations

from typing import Any

from sanic import HTTPResponse, Request, Sanic, json

from examples.frameworks.shop import PORT, app
from torpor.integrations.sanic import mount, torpor_of

site = Sanic("shop")
mount(site, app, worker=True)


@site.post("/orders/<order>")
async def place(request: Request[Any, Any], order: str) -> HTTPResponse:
    """Place an order."""
    run = await torpor_of(request).start("checkout", order, 4200, run_id=order)
    return json({"run": run.id}, status=201)


@site.post("/orders/<order>/ship")
async def ship(request: Request[Any, Any], order: str) -> HTTPResponse:
    """Give the parcel to a carrier."""
    run = await torpor_of(request).resume_hook(f"parcel:{order}", "a bicycle")
    return json({"run": run.id})


@site.get("/orders/<order>")
async def look(request: Request[Any, Any], order: str) -> HTTPResponse:
    """Return what became of an order."""
    return json(await torpor_of(request).run(order).result(timeout=60))


@site.after_server_start
async def say(_site: object) -> None:
    """Tell where it is."""
    print(f"serving http://127.0.0.1:{PORT}", flush=True)


if __name__ == "__main__":
    site.run("127.0.0.1", PORT, single_process=True, motd=False)
