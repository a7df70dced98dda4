"""Orders in Falcon: ``python -m examples.frameworks.falcon``."""

from __future__ import annotations

import falcon
import uvicorn
from falcon.asgi import App, Request, Response

from examples.frameworks.shop import PORT, app
from torpor.integrations.falcon import mount, torpor_of


class Order:
    """An order."""

    async def on_post(self, req: Request, resp: Response, order: str) -> None:
        """Place it."""
        run = await torpor_of(req).start("checkout", order, 4200, run_id=order)
        resp.status, resp.media = falcon.HTTP_CREATED, {"run": run.id}

    async def on_get(self, req: Request, resp: Response, order: str) -> None:
        """Return what became of it."""
        resp.media = await torpor_of(req).run(order).result(timeout=60)

    async def on_post_ship(self, req: Request, resp: Response, order: str) -> None:
        """Give the parcel to a carrier."""
        run = await torpor_of(req).resume_hook(f"parcel:{order}", "a bicycle")
        resp.media = {"run": run.id}


api = App()
api.add_route("/orders/{order}", Order())
api.add_route("/orders/{order}/ship", Order(), suffix="ship")
site = mount(api, app, worker=True)

if __name__ == "__main__":
    uvicorn.run(site, port=PORT, timeout_graceful_shutdown=5)
