"""Webhooks, by real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.http.webhooked import app as application
from tests.webhooks.test_verifying import GITHUB_BODY, GITHUB_HEADERS, GITHUB_SECRET
from torpor import Torpor
from torpor.engine.hook_arrival import wait_for_hook
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.limits import WEBHOOK_BODY_BYTES_MAX
from torpor.model.webhooks import path_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT = 60


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Torpor, httpx.AsyncClient]]:
    """An application with a worker and a server on loopback, and a client without a token."""
    application.use_world(f"sqlite:///{tmp_path_factory.mktemp('webhooks')}/torpor.db")
    listening = listen("127.0.0.1", 0)
    application.url = url_of(listening)
    service = Service(application)
    async with (
        application,
        application.worker(),
        serving(asgi(application, service=service), service, listening),
        httpx.AsyncClient(base_url=application.url, timeout=TIMEOUT, trust_env=False) as http,
    ):
        yield application, http


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A token that no other test has."""
    return str(request.node.name)


async def there(app: Torpor, token: str) -> str:
    """Return the path of a webhook as soon as a run has made it."""
    async with asyncio.timeout(TIMEOUT):
        await wait_for_hook(app.world, token)
    return path_of(token)


async def test_webhook(served: tuple[Torpor, httpx.AsyncClient], token: str) -> None:
    """202 and nothing; a fixed answer; a step's. The address is whole, and the request reaches the run."""
    app, http = served
    run = await app.start("three_answers", token)
    plain = await http.post(f"{await there(app, f'{token}/plain')}?a=%20b", content="one", headers={"X-Kind": "plain"})
    assert (plain.status_code, plain.content, plain.headers["content-length"]) == (202, b"", "0")
    assert "content-type" not in plain.headers
    fixed = await http.put(await there(app, f"{token}/static"), content="two")
    assert (fixed.status_code, fixed.text, fixed.headers["x-kind"]) == (402, "Hello from static response!", "static")
    manual = await http.post(await there(app, f"{token}/manual"), content="three")
    assert (manual.status_code, manual.text) == (200, "Hello from webhook!")
    assert "transfer-encoding" not in manual.headers
    assert "x-evil" not in manual.headers
    told = await run.result(timeout=TIMEOUT)
    urls = [f"{app.url}{path_of(f'{token}/{kind}')}" for kind in ("plain", "static", "manual")]
    assert told["urls"] == urls
    assert told["seen"] == [["POST", f"{urls[0]}?a=%20b", "one"], ["PUT", urls[1], "two"], ["POST", urls[2], "three"]]


@pytest.mark.parametrize("path", ["none", "a%2Fb", "%00", "%FF", "x" * 1000])
async def test_webhook_invalid_token(served: tuple[Torpor, httpx.AsyncClient], path: str) -> None:
    """404 and nothing, by any method."""
    _, http = served
    for method in ("GET", "POST", "DELETE"):
        answer = await http.request(method, f"/.well-known/workflow/v1/webhook/{path}")
        assert (answer.status_code, answer.content) == (404, b"")


async def test_hook_not_public(served: tuple[Torpor, httpx.AsyncClient], token: str) -> None:
    """A plain hook is answered as one that is not there, and is resumed as ever."""
    app, http = served
    run = await app.start("plain_hook", token)
    path = await there(app, token)
    hidden, absent = await http.post(path, content="x"), await http.post(f"{path}-absent", content="x")
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, b"")
    assert {name: value for name, value in hidden.headers.items() if name != "date"} == {
        name: value for name, value in absent.headers.items() if name != "date"
    }
    await app.resume_hook(token, "from inside")
    assert await run.result(timeout=TIMEOUT) == "from inside"


async def test_who_signs_is_received(
    served: tuple[Torpor, httpx.AsyncClient], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; who does not is refused with 401, and without the secret here nobody is received, with 503."""
    app, http = served
    run = await app.start("signed", token)
    path = await there(app, token)
    missing = await http.post(path, content=GITHUB_BODY, headers=GITHUB_HEADERS)
    assert (missing.status_code, missing.json()["code"]) == (503, "CONFIGURATION")
    assert "HUB_SECRET" not in missing.text
    monkeypatch.setenv("HUB_SECRET", GITHUB_SECRET)
    refused = await http.post(path, content=GITHUB_BODY)
    assert (refused.status_code, refused.json()["code"]) == (401, "SIGNATURE")
    for _ in range(2):
        answer = await http.post(path, content=GITHUB_BODY, headers=GITHUB_HEADERS)
        assert answer.status_code == 202
    await http.post(path, content=GITHUB_BODY, headers={**GITHUB_HEADERS, "X-GitHub-Delivery": "another"})
    assert await run.result(timeout=TIMEOUT) == ["72d3162e", "another"]


async def test_bodies_are_bounded(served: tuple[Torpor, httpx.AsyncClient], token: str) -> None:
    """What is too large is refused with 413, whatever the token."""
    _, http = served
    with contextlib.suppress(httpx.WriteError):  # the answer comes before all is sent
        answer = await http.post(path_of(token), content=bytes(WEBHOOK_BODY_BYTES_MAX + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_no_answer(served: tuple[Torpor, httpx.AsyncClient], token: str) -> None:
    """The caller is told with 504, and the run has the request."""
    app, http = served
    run = await app.start("answers_nobody", token)
    answer = await http.post(await there(app, token), content="body")
    assert (answer.status_code, answer.json()["code"]) == (504, "NO_ANSWER")
    assert "Workflow run did not send a response" in answer.json()["detail"]
    assert await run.result(timeout=TIMEOUT) == "body"


async def test_the_server_stops_while_a_caller_waits(tmp_path: Path, token: str) -> None:
    """The caller is told, the run has the request, and whoever asks again after the restart gets the answer."""
    app = application.on(f"sqlite:///{tmp_path}/torpor.db")
    listening = listen("127.0.0.1", 0)
    service = Service(app)
    async with app, app.worker(), httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
        run = await app.start("answers_later", token)
        path = await there(app, token)
        async with serving(asgi(app, service=service), service, listening):
            waiting = asyncio.ensure_future(http.post(f"{url_of(listening)}{path}", content="early"))
            await there(app, f"{token}-go")  # the run has the request, and takes its time
        assert (await waiting).json()["code"] == "NO_ANSWER"
        await app.resume_hook(f"{token}-go")
        assert await run.result(timeout=TIMEOUT) == "early"
