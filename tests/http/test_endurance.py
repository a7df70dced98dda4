"""Servers that are killed and stopped while others wait for them, and requests of those who mean no good."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.processes import Process
from tests.http.application import app
from tests.http.serving import APPLICATION, Server, world_token
from tests.http.test_runs import start, waits_for
from tests.http.test_streams import events
from torpor.http import routing
from torpor.http.asgi import asgi
from torpor.http.tokens import make_token

COUNT = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a world on whose runs a worker works, which outlives the servers."""
    folder = tmp_path_factory.mktemp("endurance")
    shutil.copy(APPLICATION, folder / "app.py")
    with Process(folder, "worker", "app.py", "-p", "1") as worker:
        worker.wait_line("is at work")
        yield folder


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    """A token that is valid in it."""
    return world_token(folder)


@pytest.fixture
def mortal(folder: Path) -> Iterator[Server]:
    """A server of one test, which may kill it."""
    with Server(folder, "--no-worker") as running:
        yield running


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where clients wait."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


def patient_result(server: Server, token: str, run_id: str) -> Any:
    """Return what became of a run, as a client does that tries again when its connection breaks, for a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with server.client(token) as http:
                answer = http.get(f"/v1/runs/{run_id}/result", params={"wait": 30})
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            return answer.json()
    raise TimeoutError(f"run {run_id} has not ended")


def restart(server: Server) -> None:
    """Kill a server, and start one at the same address."""
    port = server.port
    server.kill()
    server.start(port)


def test_who_waits_gets_the_result_of_the_next_server(mortal: Server, token: str, threads: ThreadPoolExecutor) -> None:
    """A start, a resumption and a long poll that are tried again after the server was killed happen once."""
    with mortal.client(token) as http:
        run_id = start(http, "approving", "killed", id="killed-1")
    waiting: Future[Any] = threads.submit(patient_result, mortal, token, run_id)
    restart(mortal)
    with mortal.client(token) as http:
        again = http.post("/v1/runs", json={"workflow": "approving", "args": ["killed"], "id": "killed-1"})
        assert (again.status_code, again.json()["id"]) == (200, run_id)
        waits_for(http, run_id, "hook")
        params = {"resume_id": "once"}
        assert http.post("/v1/hooks/killed", params=params, json="yes").status_code == 200
    restart(mortal)
    with mortal.client(token) as http:
        assert http.post("/v1/hooks/killed", params=params, json="yes").status_code in (200, 404)
        assert waiting.result(60)["output"] == {"answer": "yes", "sum": 3}
        log = http.get(f"/v1/runs/{run_id}/events").json()["events"]
    assert [event["type"] for event in log].count("hook_received") == 1


def test_a_reader_goes_on_at_the_next_server(mortal: Server, token: str, tmp_path: Path) -> None:
    """The server is killed in the middle of a stream; the reader has every chunk once."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    seen: list[int] = []
    with mortal.client(token) as http:
        run_id = start(http, "writing_slowly", str(gate), COUNT)
        for index, _, data in events(http, run_id):
            assert int(index) == len(seen)
            seen.append(data["value"])
            if len(seen) == COUNT // 2:
                break
        restart(mortal)
    gate.write_bytes(b"")
    with mortal.client(token) as http:
        rest = list(events(http, run_id, after=len(seen) - 1))
    seen += [data["value"] for _, kind, data in rest if kind == "chunk"]
    assert rest[-1][1] == "end"
    assert seen == list(range(COUNT))


def test_a_server_that_stops_answers_who_waits(mortal: Server, token: str, threads: ThreadPoolExecutor) -> None:
    """A long poll is told that the run goes on, a stream ends without its end, and the process ends with code 0."""
    with mortal.client(token) as http:
        run_id = start(http, "sleeping")
        waits_for(http, run_id, "timer")

        def poll() -> int:
            return http.get(f"/v1/runs/{run_id}/result", params={"wait": 60}).status_code

        def follow() -> list[Any]:
            with mortal.client(token) as own:
                return list(events(own, run_id))

        waiting: list[Future[Any]] = [threads.submit(poll), threads.submit(follow)]
        # Once it answers this, it has taken up what was sent before it on other connections, or takes it up now.
        assert http.get(f"/v1/runs/{run_id}").status_code == 200
        mortal.process.send(signal.SIGTERM)
        assert mortal.process.wait_end() == 0
        assert mortal.process.seen[-1] == "stopped"
    polled, followed = ("cut off" if each.exception() else each.result() for each in waiting)
    assert polled in (202, "cut off")
    assert followed in ([], "cut off")


def raw(server: Server, data: bytes) -> bytes:
    """Return what a server answers to bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:  # it closes on who says too much
            return b""
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2\3\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\nb\r\n: c\r\n\r\n",
    ],
    ids=range(8),
)
def test_broken_requests_are_refused(server: Server, data: bytes) -> None:
    """With 400 or by closing the connection; the server goes on for others."""
    answer = raw(server, data)
    assert not answer or answer.startswith(b"HTTP/1.1 400 ")
    with server.client("") as http:
        assert http.get("/health").status_code == 200


def test_half_a_body_does_nothing(server: Server) -> None:
    """Who leaves in the middle of a request has asked for nothing."""
    head = f"POST /v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nContent-Length: 500\r\n\r\n"
    raw(server, head.encode() + b'{"workflow": "adding", "args": [1, 2], "id": "half"}')
    with server.client() as http:
        assert http.get("/v1/runs/half").status_code == 404


def test_addresses_that_make_no_sense_are_refused(server: Server) -> None:
    """Whatever bytes are in them."""
    with server.client() as http:
        for part in ("%00", "%ff", "%C3%28", "a%00b", "%E0%A4%A"):
            for address in (f"/v1/runs/{part}", f"/v1/runs/{part}/result", f"/v1/schedules/{part}"):
                answer = http.get(address)
                assert answer.status_code in (400, 404), (address, answer.text)
        for query in ("limit=0", "limit=1e9", "limit=x", "status=odd", "attribute=novalue", "who=me", "before=%00"):
            assert http.get(f"/v1/runs?{query}").status_code in (200, 400, 404), query


async def test_a_slow_body_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a request open for ever."""
    monkeypatch.setattr(routing, "HTTP_BODY_SECONDS_MAX", 0.001)
    shop = app.on(f"sqlite:///{tmp_path}/torpor.db")
    made = make_token(shop.clock.now(), ("operate",))
    never = asyncio.Event()

    async def body() -> Any:
        yield b"{"
        await never.wait()

    async with (
        shop,
        httpx.AsyncClient(transport=httpx.ASGITransport(asgi(shop, tokens=[made.token])), base_url="http://x") as http,
    ):
        answer = await http.post("/v1/runs", content=body(), headers={"Authorization": f"Bearer {made.text}"})
    assert (answer.status_code, answer.json()["code"]) == (408, "REQUEST_TIMEOUT")
