"""``POST /tick``."""

from __future__ import annotations

import httpx

from tests.serverless.application import app as application
from torpor.client import Client
from torpor.http.asgi import asgi
from torpor.http.tokens import make_token

URL = "http://served"


async def test_a_tick_is_made_for_who_may_work() -> None:
    """It tells what it did; other roles, a budget that is none and a server without an application are refused."""
    async with application.on("memory://") as app:
        work, read = (make_token(app.clock.now(), (role,)) for role in ("work", "read"))
        transport = httpx.ASGITransport(asgi(app, tokens=[work.token, read.token]))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            bearer = {"authorization": f"Bearer {work.text}"}
            await app.start("naps", 1, 3_600)
            told = (await http.post("/tick?budget=20s", headers=bearer)).json()
            assert (told["runs"], told["more"]) == (1, False)
            assert told["next_at"].endswith("Z")
            assert (await http.post("/tick?budget=soon", headers=bearer)).status_code == 422
            assert (await http.post("/tick", headers={"authorization": f"Bearer {read.text}"})).status_code == 403
        bare = httpx.ASGITransport(asgi(Client(app.world), tokens=[work.token]))
        async with httpx.AsyncClient(transport=bare, base_url=URL, headers=bearer) as http:
            refused = await http.post("/tick")
            assert (refused.status_code, "no application" in refused.json()["detail"]) == (422, True)
