"""An order that outlives its server twice, in the example of every framework, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from torpor.engine import hook_arrival
from torpor.http.tokens import make_token, store_token
from torpor.world import World
from torpor.worlds import open_world

ROOT: Final = Path(__file__).parents[2]
ALL: Final = (
    *("fastapi", "starlette", "litestar", "quart", "blacksheep", "falcon", "django"),  # by ASGI
    *("aiohttp", "tornado", "sanic"),
    *("flask", "django wsgi"),
)
SOME: Final = ("fastapi", "flask")  # one of each kind; `make frameworks` has all
FRAMEWORKS: Final = ALL if os.environ.get("TORPOR_TEST_FRAMEWORKS") == "all" else SOME
SECONDS: Final = 30
ANSWER: Final = "yes, " * 30_000


class Server:
    """
    The example of a framework as a process.

    Args:
        framework: which.
        world: URL of the world.
        port: that it listens on.
    """

    def __init__(self, framework: str, world: str, port: int) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *f"examples.frameworks.{framework}".split()],
            cwd=ROOT,
            env=env | {"TORPOR_WORLD": world, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.told: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def wait_ready(self, port: int) -> None:
        """Return when it says that it listens."""
        while (line := self._lines.get(timeout=SECONDS)) is not None:
            if f":{port}" in line:
                return
        raise AssertionError("".join(self.told))

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._reading.join(SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        print("".join(self.told))  # noqa: T201  # for the report of a test that fails

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append(line)
            self._lines.put(line)
        self._lines.put(None)


@contextmanager
def serving(framework: str, world: str, port: int) -> Iterator[Server]:
    """Serve the example while the block runs, and kill the server at its end."""
    server = Server(framework, world, port)
    try:
        server.wait_ready(port)
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """What the servers have in common."""
    opened = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


async def make_a_token(world: World) -> str:
    """Return the token of somebody who may do all."""
    made = make_token(world.clock.now(), ("operate",))
    await store_token(world, made.token)
    return made.text


async def wait_for_hook(world: World, token: str) -> None:
    """Return when the run has come to a hook, which is stored."""
    async with asyncio.timeout(SECONDS):
        await hook_arrival.wait_for_hook(world, token)


@asynccontextmanager
async def following(http: httpx.AsyncClient, run: str, token: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Follow the stream of a run as server-sent events."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.stream("GET", f"/torpor/v1/runs/{run}/stream/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")

        async def chunks() -> AsyncIterator[dict[str, Any]]:
            async for line in response.aiter_lines():
                if line.startswith('data: {"index"'):
                    yield json.loads(line.removeprefix("data: "))["value"]

        yield chunks()


async def until(chunks: AsyncIterator[dict[str, Any]], key: str) -> AsyncIterator[dict[str, Any]]:
    """Yield chunks up to one that has a key; what a process told just before its end it may tell again."""
    async for chunk in chunks:
        yield chunk
        if key in chunk:
            return


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_an_order_outlives_its_server_twice(framework: str, world: World) -> None:
    """It is charged by the first process, approved by webhook in the second one and shipped by the third one."""
    pytest.importorskip(framework.split(maxsplit=1)[0], reason="not installed: make frameworks")
    port = free_port()
    token = await make_a_token(world)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS, trust_env=False) as http:
        with serving(framework, world.url, port) as first:
            placed = await http.post("/orders/o-1")
            assert (placed.status_code, placed.json()) == (201, {"run": "o-1"})
            async with following(http, "o-1", token) as chunks:
                approve = (await anext(chunks))["approve"]
            await wait_for_hook(world, approve.rpartition("/")[2])
        assert approve.startswith(f"http://127.0.0.1:{port}/torpor/.well-known/workflow/v1/webhook/")

        with serving(framework, world.url, port):
            async with following(http, "o-1", token) as chunks:
                approved = await http.post(approve, content=ANSWER)
                assert (approved.status_code, approved.content) == (202, b"")
                assert {"approved": ANSWER} in [chunk async for chunk in until(chunks, "approved")]
            await wait_for_hook(world, "parcel:o-1")

        with serving(framework, world.url, port) as third:
            shipped = await http.post("/orders/o-1/ship")
            assert (shipped.status_code, shipped.json()) == (200, {"run": "o-1"})
            result = await http.get("/orders/o-1")
            assert result.json() == [
                f"o-1: 4200 cents, charged by process {first.pid}",
                f"o-1: shipped by process {third.pid}",
                "with a bicycle",
            ]
            await look_around(http, token, keeps_escapes=framework != "django wsgi")  # wsgiref undoes them


async def look_around(http: httpx.AsyncClient, token: str, *, keeps_escapes: bool) -> None:
    """See that problems, ids with slashes, pages and their prefix are as they should be."""
    for address, code in (("/orders/none/ship", "HOOK_NOT_FOUND"), ("/torpor/v1/runs/none/wake", "RUN_NOT_FOUND")):
        refused = await http.post(address, headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 404
        assert refused.headers["content-type"].partition(";")[0] == "application/problem+json"
        assert refused.json()["code"] == code
    slashed = await http.get("/torpor/v1/runs/a%2Fb", headers={"Authorization": f"Bearer {token}"})
    assert ("'a/b'" in slashed.json()["detail"]) == keeps_escapes
    page = await http.get("/torpor/", headers={"Cookie": f"torpor_token={token}", "Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    links = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text))
    assert "/torpor/runs/o-1" in links
    assert all(link.startswith("/torpor/") for link in links)
    style = next(link for link in links if link.endswith(".css"))
    assert (await http.get(style)).status_code == 200
    turned = await http.get("/torpor")
    assert (turned.status_code, httpx.URL(turned.headers["location"]).path) == (307, "/torpor/")
