"""A token of HTTP that is about one tenant."""

from __future__ import annotations

import httpx

from tests.engine.support import has_event
from torpor import Torpor
from torpor.http.tokens import make_token, store_token
from torpor.tenant_names import queue_of

WAITS = "from torpor import hook\nasync def main():\n    return await hook('go')\n"


async def test_a_token_of_a_tenant_sees_and_touches_its_runs_only(app: Torpor) -> None:
    """As ``torpor tokens create --tenant acme`` makes it: in lists, runs and acts; what is another's is not found."""
    mine = await app.tenant("acme").start(WAITS, run_id="one")
    other = await app.tenant("bolt").start(WAITS, run_id="one")
    for run in (mine, other):
        await has_event(app, run, "hook_created")
    made = make_token(app.clock.now(), ("operate",), queues=(queue_of("acme"),))
    await store_token(app.world, made.token)
    headers = {"authorization": f"Bearer {made.text}"}
    transport = httpx.ASGITransport(app.asgi())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers) as client:
        assert [run["id"] for run in (await client.get("/v1/runs")).json()["runs"]] == ["@acme:one"]
        assert (await client.get("/v1/runs/@acme:one")).status_code == 200
        for refused in (
            await client.get("/v1/runs/@bolt:one"),
            await client.get("/v1/runs/@bolt:one/events"),
            await client.post("/v1/runs/@bolt:one/cancel", json={}),
            await client.post("/v1/hooks/@bolt:go/resume", json={"payload": 1}),
        ):
            assert refused.status_code == 404
        assert (await client.post("/v1/runs/@acme:one/cancel", json={})).status_code < 300
    assert await other.status() == "running"
