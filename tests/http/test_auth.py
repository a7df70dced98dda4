"""Who may do what: every route by every role, scopes, and what stays sealed."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast, get_args

import httpx
import pytest

from tests.cli.processes import run as torpor
from tests.http.application import app
from tests.http.serving import Server, world_token
from tests.http.test_runs import result, start, waits_for
from torpor import codec, open_world
from torpor.codec.crypto.keys import generate, key_text
from torpor.engine.remote import CALLBACK_ROUTE
from torpor.http.asgi import ROUTES, asgi
from torpor.http.auth import IMPLIED, Needed
from torpor.http.dev import OneTimeLink
from torpor.http.routing import VALUE, Route, Router
from torpor.http.tokens import ROLES, Role, make_token, read_token, store_token
from torpor.model.webhooks import ROUTE

ASKS = {("POST", "/v1/runs/{run}/queries/{query}")}
"""What changes nothing, and is no GET."""


TAKES_MORE = {
    ("GET", "/v1/runs/{run}/capsule"): "operate",
    ("POST", "/v1/capsules"): "work",
    ("POST", "/v1/step-workers"): "steps",
    ("GET", "/v1/step-workers/{id}/messages"): "steps",
    ("POST", "/v1/step-workers/{id}/messages"): "steps",
    ("DELETE", "/v1/step-workers/{id}"): "steps",
}
"""What tells of a run all that there is, its entropy too, what brings programs along, and what carries steps out."""

GUARDED_OTHERWISE = {f"{ROUTE}{{token}}", "/steps/{name}", f"{CALLBACK_ROUTE}{{run}}/{{step}}"}
"""What takes no token of ours: who knows the token of a webhook may send to it, and the others take a signature."""


def name_of(route: Route) -> str:
    """Return what a route is called in the names of tests."""
    return f"{route.method} {route.path}"


def path_of(route: Route, **parts: str) -> str:
    """Return a path that a route answers."""
    return re.sub(r"{(\w+)}", lambda found: parts.get(found[1], "none"), route.path)


def send(http: httpx.Client, route: Route, **parts: str) -> httpx.Response:
    """Send what a route takes at least."""
    return http.request(route.method, path_of(route, **parts), json=None if route.method == "GET" else {})


@pytest.fixture(scope="session")
def tokens(server: Server) -> dict[str, str]:
    """A token of each role, and some for less."""
    wanted: dict[str, dict[str, Any]] = {
        **{role: {"roles": (role,)} for role in ROLES},
        "other workflow": {"roles": ROLES, "workflows": ("sleeping",)},
        "this workflow": {"roles": ROLES, "workflows": ("approving",)},
        "other queue": {"roles": ROLES, "queues": ("other",)},
        "expired": {"roles": ROLES, "expires_at": 1},
    }

    return {name: world_token(server.folder, **about) for name, about in wanted.items()}


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_is_for_who_has_its_role(server: Server, tokens: dict[str, str], route: Route) -> None:
    """Nobody gets through without a token, nor with one of another role; with the right one the route answers."""
    with server.client("") as http:
        assert (send(http, route).status_code == 401) == (route.needed != "open")
    for role in ROLES:
        with server.client(tokens[role]) as http:
            may = route.needed == "open" or route.needed in IMPLIED[role]
            answer = send(http, route)
            assert (answer.status_code not in (401, 403)) == may, (role, answer.text)
            assert answer.status_code < 500


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_what_changes_something_takes_operate(route: Route) -> None:
    """Reading never suffices to change anything; health is open, and what a token in the path or a signature guards."""
    if route.path in ("/health", "/ready") or route.path in GUARDED_OTHERWISE:
        assert route.needed == "open"
    elif (route.method, route.path) in TAKES_MORE:
        assert route.needed == TAKES_MORE[route.method, route.path]
    elif route.method == "GET" or (route.method, route.path) in ASKS:
        assert route.needed == "read"
    else:
        assert route.needed == "operate"


def test_a_route_says_who_may() -> None:
    """It cannot be written without a role, nor with one that there is not."""
    router: Any = Router("test")
    with pytest.raises(TypeError):
        router.get("/somewhere")
    with pytest.raises(AssertionError):
        router.get("/somewhere", "anybody")
    assert set(ROLES) < set(get_args(Needed))


@pytest.mark.parametrize("scope", ["other workflow", "other queue"])
def test_a_token_is_about_its_runs_only(server: Server, tokens: dict[str, str], scope: str) -> None:
    """Whatever is asked of another run, the answer is that there is none; lists and starts leave it out, too."""
    with server.client() as http:
        run_id = start(http, "approving", f"scope {scope}")
        waits_for(http, run_id, "hook")
    with server.client(tokens[scope]) as http:
        for route in ROUTES:
            if "{run}" in route.path and route.needed != "open":  # those are opened by signatures, not by tokens
                answer = send(http, route, run=run_id)
                # A body that makes no sense is refused before anybody looks whose run it is.
                assert answer.status_code in (400, 404), (name_of(route), answer.text)
                assert answer.json()["code"] in ("RUN_NOT_FOUND", "BAD_REQUEST")
        assert run_id not in [run["id"] for run in http.get("/v1/runs").json()["runs"]]
        assert http.get("/v1/hooks").json() == []
        assert http.post(f"/v1/hooks/scope%20{scope.replace(' ', '%20')}", json=1).json()["code"] == "HOOK_NOT_FOUND"
        refused = http.post("/v1/runs", json={"workflow": "approving", "args": ["x"]})
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        for path in ("/metrics", "/v1/deployments", "/v1/workers"):
            assert http.get(path).status_code == 403
    with server.client(tokens["this workflow"]) as http:
        assert run_id in [run["id"] for run in http.get("/v1/runs").json()["runs"]]
        assert http.post(f"/v1/runs/{run_id}/cancel", json={"force": True}).json()["status"] == "cancelled"


def test_a_page_of_few_runs_goes_on(server: Server, tokens: dict[str, str]) -> None:
    """Pages of a token that is about few runs among many hold them all, each once."""
    with server.client() as http:
        mine = []
        for number in range(6):
            run_id = start(http, "sleeping" if number % 2 else "adding", *([] if number % 2 else [1, 2]), delay="1h")
            mine += [run_id] if number % 2 else []
    with server.client(tokens["other workflow"]) as http:
        seen: list[str] = []
        before: dict[str, Any] = {}
        while True:
            page = http.get("/v1/runs", params={"limit": 2, "status": "pending", **before}).json()
            assert all(run["name"] == "sleeping" for run in page["runs"])
            seen += [run["id"] for run in page["runs"]]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
    assert [run_id for run_id in seen if run_id in mine] == mine[::-1]
    assert len(set(seen)) == len(seen)


def test_a_token_expires(server: Server, tokens: dict[str, str]) -> None:
    """Then it is as good as none."""
    with server.client(tokens["expired"]) as http:
        assert http.get("/v1/runs").status_code == 401


def test_tokens_are_made_listed_and_revoked(server: Server) -> None:
    """On the command line; the secret is shown once, kept nowhere, and a revoked one is refused at once."""
    world = f"sqlite:///{server.folder}/torpor.db"
    text = torpor(server.folder, "--world", world, "tokens", "create", "--role", "read", "--name", "ci").strip()
    token_id, secret = text.split("_", 2)[1:]
    with server.client(text) as http:
        assert http.get("/v1/runs").status_code == 200
        listed = torpor(server.folder, "--world", world, "tokens", "list")
        assert token_id in listed
        assert secret not in listed
        assert all(secret.encode() not in file.read_bytes() for file in server.folder.glob("torpor.db*"))
        torpor(server.folder, "--world", world, "tokens", "revoke", token_id)
        assert http.get("/v1/runs").status_code == 401


def test_half_a_token_opens_nothing(server: Server, tokens: dict[str, str]) -> None:
    """Neither with another secret nor with another id."""
    _, token_id, secret = tokens["read"].split("_", 2)
    for wrong in (f"tpr_{token_id}_{secret[:-1]}", f"tpr_{token_id}_{'A' * 43}", f"tpr_{'0' * 16}_{secret}"):
        with server.client(wrong) as http:
            assert http.get("/v1/runs").status_code == 401


async def test_a_damaged_token_is_none(tmp_path: Path) -> None:
    """It opens nothing, and harms nobody."""
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    try:
        made = make_token(1, ("read",))
        await store_token(world, made.token)
        assert await read_token(world, made.token.id) == made.token
        await world.put_blob("token/other", await world.blob(f"token/{made.token.id}") or b"")
        assert await read_token(world, "other") is None
        await world.put_blob(f"token/{made.token.id}", b"{}")
        assert await read_token(world, made.token.id) is None
    finally:
        await world.close()


def test_a_link_lets_one_browser_in(tmp_path: Path) -> None:
    """Once; its cookie reads, and changes something from the server's own pages only."""
    with Server(tmp_path, "--no-worker") as server, server.client("") as http, server.client("") as other:
        entered = http.get(server.link)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert "HttpOnly" in entered.headers["set-cookie"]
        assert "SameSite=strict" in entered.headers["set-cookie"]
        assert http.get("/v1/runs").status_code == 200
        assert other.get(server.link).status_code == 401
        for origin in ({}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}):
            refused = http.put("/v1/queues/mail", json={"concurrency": 1}, headers=origin)
            assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert http.put("/v1/queues/mail", json={}, headers={"Origin": server.url}).status_code == 200


async def test_a_wrong_link_uses_it_up(tmp_path: Path) -> None:
    """Nobody tries twice."""
    link = OneTimeLink("secret")
    served = asgi(app.on(f"sqlite:///{tmp_path}/torpor.db"), routes=tuple(link.router))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://shop") as http:
        assert (await http.get("/dev/wrong")).status_code == 401
        assert (await http.get(link.path)).status_code == 401


def test_a_link_is_for_this_machine(tmp_path: Path) -> None:
    """A server that others reach prints none."""
    (tmp_path / "app.py").write_text("from torpor import Torpor\napp = Torpor()\n")
    with pytest.raises(Exception, match="exit status 2"):
        torpor(tmp_path, "serve", "app.py", "--dev", "--host", "192.0.2.1")


@asynccontextmanager
async def sealed(folder: Path, *roles: Role, prompt: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application with keys, to whoever has these roles."""
    shop = app.on(f"sqlite:///{folder}/torpor.db", keys=key_text(generate()))
    made = make_token(shop.clock.now(), roles, name="tester")
    transport = httpx.ASGITransport(asgi(shop, tokens=[made.token], prompt=prompt))
    headers = {"Authorization": f"Bearer {made.text}"}
    async with (
        shop,
        shop.worker(),
        httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers, timeout=60) as http,
    ):
        yield http


async def ended(http: httpx.AsyncClient, *args: int) -> str:
    """Return the id of a run that has added."""
    run_id = (await http.post("/v1/runs", json={"workflow": "adding", "args": args})).json()["id"]
    assert (await http.get(f"/v1/runs/{run_id}/result", params={"wait": 60})).status_code == 200
    return cast("str", run_id)


async def test_what_is_encrypted_stays_sealed(tmp_path: Path) -> None:
    """Who may not decrypt sees a mark in the place of every value, and encrypted bytes."""
    async with sealed(tmp_path, "operate") as http:
        run_id = await ended(http, 123_456, 1)
        run = (await http.get(f"/v1/runs/{run_id}")).json()
        mark = {"$sealed": run["key"]}
        assert (run["input"], run["output"]) == (mark, mark)
        assert (await http.get(f"/v1/runs/{run_id}/result")).json()["output"] == mark
        stored = await http.get(f"/v1/runs/{run_id}/result", headers={"Accept": VALUE})
        assert stored.content.startswith(b"encr")
        for part in ("events", "timeline", "details"):
            assert "123456" not in (await http.get(f"/v1/runs/{run_id}/{part}")).text
        asked = await http.post(f"/v1/runs/{run_id}/queries/progress", json={})
        assert asked.json()["code"] == "FORBIDDEN"


async def test_a_long_log_is_told_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a whole it would be told without bound."""
    monkeypatch.setattr("torpor.limits.HTTP_EVENTS_MAX", 2)
    async with sealed(tmp_path, "operate") as http:
        run_id = await ended(http, 1, 2)
        for part in ("timeline", "details"):
            refused = await http.get(f"/v1/runs/{run_id}/{part}")
            assert (refused.status_code, refused.json()["code"]) == (422, "LIMIT_EXCEEDED")
        assert (await http.get(f"/v1/runs/{run_id}/events")).status_code == 200


async def test_who_may_decrypt_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Values come as they are, and the audit learns of it, as of all that changes something."""
    caplog.set_level(logging.INFO, "torpor.audit")
    async with sealed(tmp_path, "operate", "decrypt") as http:
        run_id = await ended(http, 4, 5)
        run = (await http.get(f"/v1/runs/{run_id}")).json()
        assert (run["input"], run["output"]) == ([4, 5], 9)
        opened = await http.get(f"/v1/runs/{run_id}/result", headers={"Accept": VALUE})
        assert codec.loads(opened.content) == 9
        await http.get("/v1/runs", headers={"Authorization": ""})
    lines = [re.sub(r"\([0-9a-f]{16}\)", "(ID)", record.message) for record in caplog.records]
    assert lines == [
        "tester (ID): POST /v1/runs: 201",
        *[f"tester (ID): decrypts run {run_id}: /v1/runs/{run_id}/result"],
        f"tester (ID): decrypts run {run_id}: /v1/runs/{run_id}",
        f"tester (ID): decrypts run {run_id}: /v1/runs/{run_id}/result",
        "nobody: GET /v1/runs: refused",
    ]


def test_results_are_told_to_who_may_read(server: Server, tokens: dict[str, str]) -> None:
    """What is plain takes no more than the role read."""
    with server.client() as http:
        run_id = start(http, "adding", 1, 2)
        result(http, run_id)
    with server.client(tokens["read"]) as http:
        assert http.get(f"/v1/runs/{run_id}/result").json()["output"] == 3
