"""What every request passes."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.http.serving import Server
from torpor import Torpor
from torpor.http.asgi import asgi, escaped_path
from torpor.http.tokens import make_token


def test_health_is_open(server: Server) -> None:
    """Who has no token learns that the server lives and that its world answers, and nothing more."""
    with server.client("") as http:
        assert http.get("/health").json() == {"status": "ok"}
        assert http.get("/ready").json() == {"status": "ok"}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer tpr_a_b", "Basic dTpw", "Bearer \xff"])
def test_nothing_else_is_open(server: Server, authorization: str) -> None:
    """Without a valid token a request is refused, and told that it takes one."""
    with server.client("") as http:
        answer = http.get("/v1/runs", headers=[(b"Authorization", authorization.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "UNAUTHORIZED"
    assert answer.json()["type"] == "urn:torpor:error:UNAUTHORIZED"


def test_a_method_that_is_not_taken_names_those_that_are(http: httpx.Client) -> None:
    """All of an address, whichever route has them."""
    refused = http.post("/v1/runs/some")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert http.head("/health").status_code == 200


def test_a_token_opens(http: httpx.Client) -> None:
    """With a token runs are listed."""
    assert http.get("/v1/runs").status_code == 200


def test_answers_stay_out_of_caches_and_frames(http: httpx.Client) -> None:
    """Every answer says so, errors included."""
    for path in ("/v1/runs", "/nowhere", "/v1/runs/none"):
        headers = http.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_is_a_problem(http: httpx.Client) -> None:
    """An unknown address, a method and an unknown run are problem documents with codes of their own."""
    problems = [http.get("/nowhere"), http.delete("/health"), http.get("/v1/runs/no%2Fsuch%20run")]
    assert [(each.status_code, each.json()["code"]) for each in problems] == [
        (404, "UNKNOWN_ADDRESS"),
        (405, "METHOD_NOT_ALLOWED"),
        (404, "RUN_NOT_FOUND"),
    ]
    assert problems[1].headers["allow"] == "GET, HEAD"
    assert "no/such run" in problems[2].json()["detail"]


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({"path": "/a/b", "raw_path": b"/a%2Fb"}, "/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/a%2Fb?x=/"}, "/a%2Fb"),
        ({"path": "/pre/a/b", "raw_path": b"/pre/a%2Fb", "root_path": "/pre"}, "/a%2Fb"),
        ({"path": "/a/b", "raw_path": b"/pre/a%2Fb", "root_path": "/pre"}, "/a%2Fb"),
        ({"path": "/a b"}, "/a%20b"),
        ({"path": "/rewritten", "raw_path": b"/as/it/came"}, "/rewritten"),
        ({"path": "/prefix", "raw_path": b"/prefix", "root_path": "/pre"}, "/prefix"),
    ],
)
def test_paths_keep_their_escapes(scope: dict[str, object], path: str) -> None:
    """A slash that is part of an id stays escaped, under a prefix too, and where a host rewrites the path."""
    assert escaped_path(scope) == path


async def test_it_is_mounted_under_a_prefix(tmp_path: Path) -> None:
    """A host application mounts it, whose own lifespan opens nothing: the first request does."""
    app = Torpor(f"sqlite:///{tmp_path}/torpor.db", root=tmp_path, name="mounted")
    made = make_token(app.clock.now(), ("read",))
    host = Starlette(routes=[Mount("/flows/of ours", app=asgi(app, tokens=[made.token]))])
    transport = httpx.ASGITransport(host)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as http:
            answer = await http.get("/flows/of%20ours/v1/runs", headers={"Authorization": f"Bearer {made.text}"})
            missing = await http.get("/flows/of%20ours/v1/runs/a%2Fb", headers={"Authorization": f"Bearer {made.text}"})
        assert answer.json() == {"runs": [], "next": None}
        assert missing.json()["code"] == "RUN_NOT_FOUND"
    finally:
        await app.close()


async def test_an_application_makes_its_own(tmp_path: Path) -> None:
    """``app.asgi()`` is the same, and nothing is open in it but health."""
    app = Torpor(f"sqlite:///{tmp_path}/torpor.db", root=tmp_path, name="own")
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app.asgi()), base_url="http://host") as http:
            assert (await http.get("/ready")).json() == {"status": "ok"}
            assert (await http.get("/v1/runs")).status_code == 401
    finally:
        await app.close()
