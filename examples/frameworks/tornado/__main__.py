"""Orders in Tornado: ``python -m examples.frameworks.tornado``."""

from __future__ import annotations

import asyncio
import json

from tornado.web import Application

from examples.frameworks.shop import PORT, app
from torpor.integrations.tornado import TorporHandler, mount, torpor_of


class Order(TorporHandler):
    """An order."""

    async def post(self, order: str) -> None:
        """Place it."""
        run = await torpor_of(self).start("checkout", order, 4200, run_id=order)
        self.set_status(201)
        self.finish({"run": run.id})

    async def get(self, order: str) -> None:
        """Return what became of it."""
        self.finish(json.dumps(await torpor_of(self).run(order).result(timeout=60)))


class Shipping(TorporHandler):
    """The parcel of an order."""

    async def post(self, order: str) -> None:
        """Give it to a carrier."""
        run = await torpor_of(self).resume_hook(f"parcel:{order}", "a bicycle")
        self.finish({"run": run.id})


site = Application([(r"/orders/([^/]+)", Order), (r"/orders/([^/]+)/ship", Shipping)])


async def main() -> None:
    """Serve it."""
    async with mount(site, app, worker=True):
        site.listen(PORT, "127.0.0.1")
        print(f"serving http://127.0.0.1:{PORT}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
