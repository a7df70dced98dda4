"""Webhooks: requests that become payloads, and what their callers are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import pytest_asyncio

from tests.engine.support import TIMEOUT
from tests.semantics.support import Stage, kinds, outcome
from tests.webhooks.test_verifying import GITHUB_BODY, GITHUB_HEADERS, GITHUB_SECRET
from torpor import Request, Response, RunFailedError
from torpor.engine.hook_arrival import wait_for_hook
from torpor.errors import LimitExceededError, NoAnswerError
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.limits import WEBHOOK_BODY_BYTES_MAX, WEBHOOK_HEADERS_MAX
from torpor.model.webhooks import ROUTE, path_of
from torpor.signing import hexadecimal
from torpor.webhooks.receiving import Incoming, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A token that no other test has."""
    return f"{request.node.name}/ü"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """A client, without a token, of a server on loopback."""
    service = Service(stage.app)
    listening = listen("127.0.0.1", 0)
    made = httpx.AsyncClient(base_url=url_of(listening), timeout=TIMEOUT, trust_env=False)
    async with serving(asgi(stage.app, service=service), service, listening), made as client:
        yield client


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of those who sign."""
    monkeypatch.setenv("HUB_SECRET", GITHUB_SECRET)


async def path_to(stage: Stage, token: str) -> str:
    """Return the path of a webhook as soon as a run has made it."""
    async with asyncio.timeout(TIMEOUT):
        await wait_for_hook(stage.app.world, token)
    return path_of(token)


async def send(
    stage: Stage,
    http: httpx.AsyncClient,
    token: str,
    body: bytes | str = b"",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Send a request to a webhook as soon as a run has made it."""
    return await http.request(method, await path_to(stage, token), content=body, headers=headers)


async def test_webhook(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """202 and nothing; a fixed answer; a step's answer. Method, address, headers and body reach workflow and step."""
    run = await stage.start("webhook", token)
    form = {"Content-Type": "text/greeting"}
    plain = await send(stage, http, f"{token}-plain", "one", headers=form)
    assert (plain.status_code, plain.content) == (202, b"")
    fixed = await send(stage, http, f"{token}-static", "zwö", headers=form, method="PUT")
    assert (fixed.status_code, fixed.text, fixed.headers.get("x-kind")) == (
        402,
        "Hello from static response!",
        "static",
    )
    manual = await send(stage, http, f"{token}-manual", "three", headers=form)
    assert (manual.status_code, manual.text, manual.headers.get("x-from")) == (200, "Hello from webhook!", "step")
    told = await outcome(run)
    paths = [path_of(f"{token}-{kind}") for kind in ("plain", "static", "manual")]
    assert told["urls"] == paths
    assert all(path.startswith(ROUTE) for path in paths)
    assert unquote(paths[0]).endswith(f"{token}-plain")
    sent = [("POST", "one"), ("PUT", "zwö"), ("POST", "three")]
    expected = [
        {"method": method, "url": f"{http.base_url}{path}", "kind": "text/greeting", "text": text}
        for path, (method, text) in zip(paths, sent, strict=True)
    ]
    assert told["seen"] == [each for one in expected for each in (one, one)]
    assert (await kinds(run))["hook_received"] == 3


async def test_answers(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """By workflow code, by a step on a thread; the first answer counts, and what is no response is none."""
    run = await stage.start("webhook_answers", token)
    first = await send(stage, http, token, json.dumps({"n": [1]}))
    assert (first.status_code, first.json()) == (207, {"got": {"n": [1]}})
    assert first.headers["content-type"] == "application/json"
    second = await send(stage, http, token, "21")
    assert (second.status_code, second.json()) == (201, 42)
    assert (await send(stage, http, token)).text == "first"
    last = await send(stage, http, token)
    assert (last.status_code, last.json()["code"]) == (504, "NO_ANSWER")
    assert await outcome(run) == ["StepError", "StepError"]


async def test_requests_of_any_kind(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """Of any method, with any bytes and with none."""
    run = await stage.start("webhook_requests", {"token": token}, "last")
    await send(stage, http, token, method="GET")
    await send(stage, http, token, bytes(range(256)), method="PATCH")
    assert (await send(stage, http, token, "last")).status_code == 202
    assert await outcome(run) == [["GET", 0, True], ["PATCH", 256, False], ["POST", 4, False]]


async def test_no_answer(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """Its caller gets an error after a while, and when the run ends; the run has the request, and goes on."""
    run = await stage.start("webhook_answers", token)
    path = await path_to(stage, token)
    impatient = Receiver(stage.app.client, answer_seconds=0)
    with pytest.raises(NoAnswerError, match=r"Workflow run did not send a response.*no answer within 0 s"):
        await impatient.receive(token, Incoming("POST", f"http://here{path}", [], b"1"))
    await send(stage, http, token, "2")
    assert (await kinds(run))["hook_received"] == 2
    await run.cancel(force=True)
    ends = await stage.start("webhook_ends", f"{token}-ends")
    told = await send(stage, http, f"{token}-ends")
    assert (told.status_code, told.json()["code"]) == (504, "NO_ANSWER")
    assert f"{ends.id} has ended without an answer" in told.json()["detail"]
    assert await outcome(ends) is None


async def test_webhook_invalid_token(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """404 and nothing: for a token of no hook at all, and of one whose run has ended."""
    absent = await http.post(path_of(token))
    assert (absent.status_code, absent.content) == (404, b"")
    await stage.start("webhook_ends", token)
    await send(stage, http, token)
    ended = await http.post(path_of(token))
    assert (ended.status_code, ended.content) == (404, b"")


async def test_hook_not_public(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """A plain hook is answered with 404 and nothing, and is resumed as ever."""
    run = await stage.start("hook_not_public", token)
    hidden = await send(stage, http, token, "from outside")
    assert (hidden.status_code, hidden.content) == (404, b"")
    await stage.app.resume_hook(token, "from inside")
    assert await outcome(run) == "from inside"
    assert (await kinds(run))["hook_received"] == 1


async def test_a_webhook_is_resumed_from_inside(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """By who has the world, with a request of their own."""
    run = await stage.start("webhook_requests", {"token": token}, "")
    await send(stage, http, token, "one")
    await stage.app.resume_hook(token, Request("http://inside"))
    assert await outcome(run) == [["POST", 3, False], ["GET", 0, True]]


async def test_signed_requests(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """Who has the secret is received; others are refused with 401. The secret is nowhere in the log."""
    options = {"token": token, "verify": "github", "secret": "HUB_SECRET"}
    run = await stage.start("webhook_requests", options, GITHUB_BODY.decode())
    for headers in ({}, {**GITHUB_HEADERS, "X-Hub-Signature-256": f"sha256={'0' * 64}"}):
        refused = await send(stage, http, token, GITHUB_BODY, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "SIGNATURE")
    assert (await send(stage, http, token, GITHUB_BODY, headers=GITHUB_HEADERS)).status_code == 202
    assert await outcome(run) == [["POST", len(GITHUB_BODY), False]]
    stored = [part for event in await run.events() for part in (event.payload or b"", event.ref.encode())]
    assert any(b"HUB_SECRET" in part for part in stored)
    assert not any(GITHUB_SECRET.encode() in part for part in stored)


async def test_a_redelivery_is_received_once(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """And its caller gets what the first one was given; another delivery of the same body is another one."""
    options = {"token": token, "verify": "github", "secret": "HUB_SECRET"}
    run = await stage.start("webhook_echoes", options)
    first = await send(stage, http, token, GITHUB_BODY, headers=GITHUB_HEADERS)
    again = await send(stage, http, token, GITHUB_BODY, headers=GITHUB_HEADERS)
    other = await send(stage, http, token, GITHUB_BODY, headers={**GITHUB_HEADERS, "X-GitHub-Delivery": "another"})
    assert [each.text for each in (first, again, other)] == ["1", "1", "2"]
    assert await outcome(run) == 2


async def test_slack_asks_whether_somebody_is_there(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """It is answered, and is nothing for the run."""
    run = await stage.start("webhook_requests", {"token": token, "verify": "slack", "secret": "HUB_SECRET"}, "")
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB"})
    time = str(stage.app.clock.now() // 1000)
    mark = hexadecimal(GITHUB_SECRET.encode(), f"v0:{time}:{body}".encode())
    headers = {"X-Slack-Request-Timestamp": time, "X-Slack-Signature": f"v0={mark}"}
    answer = await send(stage, http, token, body, headers=headers)
    assert (answer.status_code, answer.text) == (200, "3eZbrw1aB")
    assert (await kinds(run))["hook_received"] == 0
    await run.cancel(force=True)


async def test_a_secret_that_is_not_here(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """Nothing is received; the sender is told to come again, and not which variable it is."""
    run = await stage.start("webhook_requests", {"token": token, "verify": "stripe", "secret": "LOST"}, "")
    answer = await send(stage, http, token, b"{}")
    assert (answer.status_code, answer.json()["code"]) == (503, "CONFIGURATION")
    assert "LOST" not in answer.text
    assert (await kinds(run))["hook_received"] == 0
    await run.cancel(force=True)


async def test_requests_are_bounded(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """In their headers; the server bounds their bodies."""
    run = await stage.start("webhook_requests", {"token": token}, "")
    path = await path_to(stage, token)
    many = await http.post(path, headers={f"x-{n}": "" for n in range(WEBHOOK_HEADERS_MAX + 1)})
    assert (many.status_code, many.json()["code"]) == (422, "LIMIT_EXCEEDED")
    large = Incoming("POST", f"http://here{path}", [], bytes(WEBHOOK_BODY_BYTES_MAX + 1))
    with pytest.raises(LimitExceededError, match="body has"):
        await Receiver(stage.app.client).receive(token, large)
    assert (await send(stage, http, token)).status_code == 202
    assert await outcome(run) == [["POST", 0, True]]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "answer": ({"respond_with": "soon"}, "(?i)respond_?with"),
    "scheme": ({"verify": "paypal", "secret": "S"}, "paypal"),
    "secret": ({"verify": "github"}, "environment variable"),
    "header": ({"verify": "github", "secret": "S", "header": "x"}, "header"),
    "no header": ({"verify": "hmac", "secret": "S"}, "header"),
    "lost": ({"tolerance": 5}, "tolerance"),
    "tolerance": ({"verify": "slack", "secret": "S", "tolerance": "2d"}, "up to a day"),
    "token": ({"token": ""}, "0 characters"),
    "response": ({"respond_with": Response("x" * 65_536)}, "static response has"),
}


@pytest.mark.parametrize("wrong", REFUSED)
async def test_what_makes_no_sense_is_refused(stage: Stage, wrong: str) -> None:
    """Where it stands, with what there is instead."""
    options, told = REFUSED[wrong]
    if not stage.speaks_python:
        options = {"respondWith" if name == "respond_with" else name: value for name, value in options.items()}
    run = await stage.start("webhook_refused", options)
    with pytest.raises(RunFailedError, match=told):
        await outcome(run)


async def test_a_request_that_was_answered_is_not_answered(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """Which says what to do."""
    run = await stage.start("webhook_not_manual", token)
    assert (await send(stage, http, token)).status_code == 202
    with pytest.raises(RunFailedError, match="manual"):
        await outcome(run)


async def test_many_callers_get_their_own_answers(stage: Stage, http: httpx.AsyncClient, token: str) -> None:
    """However many there are at once."""
    run = await stage.start("webhook_answers", token)
    first = await send(stage, http, token, "0")
    both = await asyncio.gather(send(stage, http, token, "7"), send(stage, http, token, "8"))
    assert first.json() == {"got": 0}
    assert sorted(each.text for each in both) in (["14", "first"], ["16", "first"])
    await run.cancel(force=True)
