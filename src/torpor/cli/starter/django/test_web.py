"""The site in a test: on the test's own event loop, in a world of its own, in time that skips."""

import web  # sets Django up
from django.test import AsyncClient
from torpor.testing import Testbed


async def test_an_order_is_placed_and_approved(torpor: Testbed) -> None:
    assert web.application
    http = AsyncClient(headers={"host": "localhost"})
    assert (await http.post("/orders/o-1/approve")).status_code == 404
    assert (await http.post("/orders/o-1")).json() == {"run": "o-1"}
    await torpor.run("o-1").waiting_for(hook="approve:o-1")
    assert (await http.post("/orders/o-1/approve")).status_code == 200
    assert await torpor.run("o-1").result() == "receipt-o-1"
    assert (await http.get("/orders/o-1")).json() == {"status": "completed"}
