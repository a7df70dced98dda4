"""What every framework relies on: a mount, the bridge to ASGI, the same for WSGI, and what errors are answered with."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from torpor import HookNotFoundError, SyncTorpor, Torpor, UsageError
from torpor.app import Message
from torpor.engine.hook_arrival import wait_for_hook
from torpor.errors import ConfigurationError, WorldError
from torpor.http.tokens import make_token
from torpor.integrations.answering import problem_of
from torpor.integrations.bridge import Asked, Headers, carry
from torpor.integrations.mounting import Mount, Receive, Send, mount_of
from torpor.integrations.wsgi import WsgiMount
from torpor.world import World
from torpor.worlds.http.world import HttpWorld

FLOW = """
import { createWebhook } from "workflow";
export async function waits() {
  "use workflow";
  const asked = createWebhook({ token: "asked" });
  const request = await asked;
  return [asked.url, request.url, await request.text()];
}
"""


@pytest.fixture
def app(tmp_path: Path) -> Torpor:
    """An application with a workflow that waits for a webhook."""
    (tmp_path / "flow.js").write_text(FLOW)
    made = Torpor(f"sqlite:///{tmp_path}/torpor.db", root=tmp_path, name="mounted")
    made.workflows("flow.js")
    return made


def asking(mounted: Mount, root: str = "") -> httpx.AsyncClient:
    """Return a client of a site beside which the application is mounted."""

    async def host(scope: Message, _receive: Receive, send: Send) -> None:
        found = mount_of(scope) is mounted
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the host, which knows" if found else b"?"})

    transport = httpx.ASGITransport(mounted.beside(host), root_path=root)
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


async def test_a_webhook_has_the_prefix_in_its_address(app: Torpor) -> None:
    """Where the application knows no address of its own, it is the path below the prefix, which is answered."""
    async with Mount(app, prefix="/flows/", worker=True) as mounted, asking(mounted) as http:
        run = await app.start("waits")
        async with asyncio.timeout(30):
            await wait_for_hook(app.world, "asked")
        path = "/flows/.well-known/workflow/v1/webhook/asked"
        assert (await http.post(path, content=b"now")).status_code == 202
        assert await run.result(timeout=30) == [path, f"http://shop.example{path}", "now"]


@pytest.mark.parametrize("root", ["", "/behind/a/proxy", "/torpor"])
async def test_the_rest_is_the_hosts(app: Torpor, root: str) -> None:
    """Also what begins like the prefix, and where the host is below a path itself."""
    async with Mount(app) as mounted, asking(mounted, root) as http:
        assert (await http.get(f"{root}/torpor/health")).json() == {"status": "ok"}
        assert (await http.get(f"{root}/torporific")).text == "the host, which knows"
        turned = await http.get(f"{root}/torpor")
        assert (turned.status_code, turned.headers["location"]) == (307, f"{root}/torpor/")
        signing_in = await http.get(f"{root}/torpor/", headers={"accept": "text/html"})
        assert signing_in.headers["location"].startswith(f"{root}/torpor/sign-in?")


async def test_it_is_a_world_for_others(app: Torpor, tmp_path: Path) -> None:
    """A client has the address with the prefix as the URL of its world."""
    made = make_token(app.clock.now(), ("operate", "work"))
    async with Mount(app, tokens=[made.token]) as mounted:
        run = await app.start("waits")
        transport = httpx.ASGITransport(mounted)
        there = cast(World, HttpWorld("http://127.0.0.1/torpor", token=made.text, transport=transport))
        async with Torpor(there, root=tmp_path, name="mounted") as elsewhere:
            assert [info.id for info in await elsewhere.list_runs()] == [run.id]


def test_it_lives_again_on_another_event_loop(app: Torpor) -> None:
    """As a site does in each test of its own; nothing of before is left, neither waiting nor watching."""
    mounted = Mount(app)

    async def live() -> Message:
        async with mounted, asking(mounted) as http:
            assert mounted.here() is app
            answered: Message = (await http.get("/torpor/ready")).json()
            return answered

    watching = len(app.observers)
    for _ in range(2):
        assert asyncio.run(live()) == {"status": "ok"}
    assert len(app.observers) == watching
    assert mounted.loop is None


async def test_it_is_opened_once(app: Torpor) -> None:
    """By its host, or by the first of several requests."""
    mounted = Mount(app)
    await asyncio.gather(mounted.ensure_open(), mounted.ensure_open())
    with pytest.raises(UsageError, match="is open; a host opens it once"):
        await mounted.open()
    await mounted.close()
    await mounted.close()


async def test_who_is_on_another_event_loop_is_told(app: Torpor) -> None:
    """In place of awaiting what never comes."""
    async with Mount(app) as mounted:
        with pytest.raises(UsageError, match="open on another event loop"):
            await asyncio.to_thread(mounted.here)


async def test_threads_use_the_application_on_its_loop(app: Torpor) -> None:
    """By blocking calls, which the thread of the loop itself is refused."""
    async with Mount(app) as mounted:
        front = SyncTorpor(app, loop=mounted.loop)
        assert await asyncio.to_thread(front.list_runs) == []
        with pytest.raises(UsageError, match="await the application here"):
            front.list_runs()
    with pytest.raises(UsageError, match="closed"):
        await asyncio.to_thread(front.list_runs)


@pytest.mark.parametrize("prefix", ["", "/", "flows", "//flows", "/flows/{run}", "/a b"])
def test_a_prefix_that_is_none_is_refused(app: Torpor, prefix: str) -> None:
    """It would be answered nowhere."""
    with pytest.raises(ConfigurationError, match="is no path to be answered below"):
        Mount(app, prefix=prefix)


def test_an_address_without_the_prefix_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Webhooks would lead to the host."""
    caplog.set_level(logging.WARNING)
    Mount(Torpor("memory://", root=tmp_path, url="https://shop.example"))
    assert "webhooks lead to https://shop.example, and requests are answered below /torpor" in caplog.text


def test_a_request_beside_nothing_is_refused() -> None:
    """With where to read on."""
    with pytest.raises(UsageError, match=r"nothing is mounted .* docs/frameworks\.md"):
        mount_of({})


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_askers_matter_is_told() -> None:
    """With the code and the status that the front door has for it."""
    told = problem_of(HookNotFoundError("no live hook has the token 'x'"))
    assert (told.status, told.media_type) == (404, "application/problem+json")
    assert b'"detail":"no live hook has the token \'x\'"' in told.body
    assert b'"code":"HOOK_NOT_FOUND"' in told.body


def test_what_is_amiss_inside_is_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """And not to who asks: it names files and hosts."""
    told = problem_of(WorldError("world sqlite:////secret/place.db is locked"))
    assert told.status == 503
    assert b"secret" not in told.body
    assert "/secret/place.db" in caplog.text


# ── The bridge ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_request_is_carried_whole() -> None:
    """Its path with escapes, its headers in small letters, its body in pieces, and what comes back."""
    seen: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen.append((scope["path"], scope["raw_path"], scope["query_string"], scope["headers"], scope["root_path"]))
        while (message := await receive())["type"] == "http.request":
            seen.append(message["body"])
            if not message["more_body"]:
                gone.set()
        seen.append(message["type"])
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body"})

    async def start(status: int, headers: Headers) -> None:
        seen.append((status, headers))

    async def write(piece: bytes) -> None:
        seen.append(piece)

    gone = asyncio.Event()
    asked = Asked("POST", "/p/a%2Fb?q=1", [("X-B", "2")], "http", _pieces(b"1", b"", b"2"), gone, "/p")
    await carry(app, asked, start, write)
    assert seen == [
        ("/p/a/b", b"/p/a%2Fb", b"q=1", [(b"x-b", b"2")], "/p"),
        *(b"1", b"2", b""),
        "http.disconnect",
        (201, [("x-a", "1")]),
        b"one",
    ]


# ── WSGI ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _environ(path: str, **more: Any) -> dict[str, Any]:
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    return {**asked, "wsgi.url_scheme": "http", "HTTP_HOST": "shop.example", **more}


def test_wsgi_opens_with_the_first_request_and_closes(app: Torpor) -> None:
    """Before the host answers, who may hold a transaction by the time that it needs the application."""
    mounted = WsgiMount(app)
    lines: list[str] = []

    def host(_environ: Any, _start: Any) -> list[bytes]:
        assert mounted.mount.loop is not None
        return [b"the host"]

    site = mounted.beside(host)
    assert mounted.mount.loop is None
    assert list(site(_environ("/elsewhere"), None)) == [b"the host"]
    environ = _environ("/torpor/v1/runs/a/b", REQUEST_URI="/torpor/v1/runs/a%2Fb")
    body = b"".join(site(environ, lambda line, _headers: lines.append(line)))
    assert lines == ["401 Unauthorized"]
    assert b'"code":"UNAUTHORIZED"' in body
    mounted.close()
    mounted.close()
    assert mounted.mount.loop is None


def test_who_leaves_a_stream_ends_it(app: Torpor) -> None:
    """A server that closes an answer before its end cancels what makes it."""
    mounted = WsgiMount(app)
    ended = threading.Event()

    async def endless(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
        finally:
            ended.set()

    mounted.open()
    mounted.mount._front_door = endless
    try:
        answer = iter(mounted.beside(_nobody)(_environ("/torpor/endless"), lambda *_told: None))
        assert [next(answer), next(answer)] == [b"more", b"more"]
        answer.close()  # type: ignore[attr-defined]  # as a server does
        assert ended.wait(30)
    finally:
        mounted.close()


def _nobody(_environ: Any, _start: Any) -> list[bytes]:
    raise AssertionError("it is not asked")


def test_a_fork_of_an_open_one_is_refused(app: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads have stayed in the other process."""
    mounted = WsgiMount(app)
    mounted.open()
    try:
        with monkeypatch.context() as forked:
            forked.setattr("torpor.integrations.wsgi.os.getpid", lambda: -1)
            with pytest.raises(UsageError, match="opened in a process from which this one was forked"):
                mounted.open()
    finally:
        mounted.close()


def test_a_host_answers_though_the_world_does_not_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What needs no workflow goes on; the log says what is amiss."""
    (tmp_path / "torpor.db").write_text("no database, and long enough to be seen as what it is not" * 20)
    mounted = WsgiMount(Torpor(f"sqlite:///{tmp_path}/torpor.db", root=tmp_path))
    assert list(mounted.beside(lambda *_asked: [b"the host"])(_environ("/"), None)) == [b"the host"]
    assert "the application below /torpor cannot be opened" in caplog.text
