"""Requests of those who mean no good: odd bytes, bodies that explode, and connections that keep a server waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
import zstandard

from tests.http.application import app
from tests.http.serving import Server
from torpor import Torpor
from torpor.http import patience, routing
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import make_token
from torpor.limits import HTTP_BODY_BYTES_MAX

TIMEOUT = 30
SOON = 0.1
CHUNK, CHUNKS = 256 * 1024, 100


def request(head: str, body: bytes = b"", *, sized: bool = True) -> bytes:
    """Return a request as bytes; TOKEN in it stands for a token."""
    length = f"Content-Length: {len(body)}\r\n" if sized else ""
    start, _, rest = head.partition("\n")
    headers = "".join(f"{line}\r\n" for line in rest.splitlines())
    return f"{start} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}{headers}\r\n".encode("latin-1") + body


AS = "\nAuthorization: Bearer TOKEN"
START = f"POST /v1/runs{AS}\nContent-Type: application/json"
VALUE = f"POST /v1/runs{AS}\nContent-Type: application/vnd.torpor.value"


def nested(depth: int) -> bytes:
    """Return a start whose argument is a list in a list in a list."""
    return b'{"workflow": "echoing", "args": [' + b"[" * depth + b"]" * depth + b"]}"


ODD: dict[str, tuple[bytes, set[int]]] = {
    "no UTF-8": (request(START, b'{"workflow": "\xff\xfe"}'), {400}),
    "no UTF-8 in a key": (request(START, b'{"\xc3\x28": 1}'), {400}),
    "half a surrogate": (request(START, b'{"workflow": "echoing", "args": ["\\ud800"]}'), {400, 422}),
    "UTF-16": (request(START, '{"workflow": "adding"}'.encode("utf-16")), {400}),
    "a byte order mark": (request(START, b"\xef\xbb\xbf{}"), {400}),
    "no number": (request(START, b'{"workflow": "echoing", "args": [NaN]}'), {400}),
    "a number too large": (request(START, b'{"workflow": "echoing", "args": [1e999]}'), {400, 422}),
    "a long number": (request(START, b'{"workflow": "echoing", "args": [' + b"9" * 100_000 + b"]}"), {400, 422}),
    "never closed": (request(START, b"[" * 1_000_000), {400}),
    "deep": (request(START, nested(100_000)), {400, 422}),
    "deep objects": (request(START, b'{"a":' * 50_000 + b"1" + b"}" * 50_000), {400}),
    "a list": (request(START, b"[]"), {400}),
    "NUL": (request(START, b"\0" * 1000), {400}),
    "no value": (request(VALUE, b"devl" + b"[" * 100_000), {400}),
    "a value that is not there": (request(VALUE, b'devl[{"workflow":9}]'), {400}),
    "a value that is in itself": (request(VALUE, b'devl[{"workflow":0}]'), {400}),
    "a sealed value": (request(VALUE, b"encr" + bytes(100)), {400}),
    "a bomb": (request(VALUE, b"zstd" + zstandard.compress(bytes(400 * 2**20))), {400, 413, 422}),
    "another kind": (request(f"POST /v1/runs{AS}\nContent-Type: text/html", b"<p>"), {415}),
    "a kind that is none": (request(f"POST /v1/runs{AS}\nContent-Type: \x00\x01", b"{}"), {400, 415}),
    "told to be huge": (request(f"{START}\nContent-Length: 99999999999", sized=False), {413}),
    "told to be endless": (request(f"{START}\nContent-Length: {'9' * 19}", sized=False), {400, 413}),
    "told with a sign": (request(f"{START}\nContent-Length: +5", b"hello", sized=False), {400}),
    "told in words": (request(f"{START}\nContent-Length: five", b"hello", sized=False), {400}),
    "told twice over": (
        request(f"{START}\nTransfer-Encoding: chunked\nContent-Length: 4", b"0\r\n\r\nGET /v1/runs", sized=False),
        {400},
    ),
    "a chunk with a long name": (
        request(f"{START}\nTransfer-Encoding: chunked", b"2;" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n", sized=False),
        {400},
    ),
    "chunks of another kind": (request(f"{START}\nTransfer-Encoding: gzip", b"{}", sized=False), {400, 501}),
    "no token but bytes": (request("GET /v1/runs\nAuthorization: Bearer \xff\xfe"), {401}),
    "a long token": (request(f"GET /v1/runs\nAuthorization: Bearer tpr_{'a' * 50_000}_b"), {401}),
    "a token in pieces": (request("GET /v1/runs\nAuthorization: Bearer tpr_._.\nAuthorization: Bearer x"), {401}),
    "a cookie that is none": (request("GET /v1/runs\nCookie: torpor_token=\xff; =; ;;"), {401}),
    "an index that is none": (request(f"GET /v1/runs/none/stream/events{AS}\nLast-Event-ID: -9e9"), {400, 404}),
    "a long address": (request(f"GET /v1/runs/{'a' * 50_000}{AS}"), {400, 404}),
    "a long query": (request(f"GET /v1/runs?before={'a' * 50_000}{AS}"), {200, 400, 404}),
    "a query that is no UTF-8": (request(f"GET /v1/runs?workflow=%ff&before=%c3%28{AS}"), {200, 400, 404}),
    "a page before all": (request(f"GET /v1/runs/none/events?after=-99999999999999999999{AS}"), {400, 404}),
    "up and out": (request(f"GET /v1/../../../etc/passwd{AS}"), {404}),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 505}),
    "an upgrade": (request(f"GET /health\nUpgrade: websocket\nSec-WebSocket-Key: x{AS}"), {200, 400, 426}),
    "a method that is none": (request("BREW /v1/runs"), {401, 405}),
}


CUT = ("never closed", "deep", "deep objects", "told twice over", "a chunk with a long name")
"""What may be cut off instead, before all of it was sent."""


def exchange(server: Server, data: bytes) -> bytes:
    """Return what a server answers to bytes; nothing if it cuts the connection instead."""
    answer = b""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
    with connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_refused(server: Server, what: str) -> None:
    """With a status that says whose fault it is, and a server that goes on."""
    data, expected = ODD[what]
    answer = exchange(server, data.replace(b"TOKEN", server.token.encode()))
    head = answer.partition(b"\r\n\r\n")[0]
    assert not answer or int(head.split()[1]) in expected, answer[:500]
    assert answer or what in CUT
    assert b'"code":"INTERNAL"' not in answer
    with server.client("") as http:
        assert http.get("/health").status_code == 200


class Here(NamedTuple):
    """A server in this process."""

    app: Torpor
    port: int
    token: str
    http: httpx.AsyncClient

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Yield a connection to it, which takes little at a time."""
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.setblocking(False)
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=own, limit=4096)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    def head(self, method_and_path: str, length: int = 0) -> bytes:
        """Return the head of a request."""
        lines = (f"{method_and_path} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}")
        return "".join(f"{line}\r\n" for line in (*lines, f"Content-Length: {length}", "")).encode()


@pytest_asyncio.fixture
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Here]:
    """Without a worker; tests have its patience."""
    async with app.on(f"sqlite:///{tmp_path_factory.mktemp('here')}/torpor.db") as shop:
        made = make_token(shop.clock.now(), ("operate",))
        service, listening = Service(shop), listen("127.0.0.1", 0)
        async with serving(asgi(shop, tokens=[made.token], service=service), service, listening):
            headers = {"Authorization": f"Bearer {made.text}"}
            async with httpx.AsyncClient(
                base_url=url_of(listening), headers=headers, timeout=TIMEOUT, trust_env=False
            ) as http:
                yield Here(shop, listening.getsockname()[1], made.text, http)


async def is_cut(reader: asyncio.StreamReader) -> bool:
    """Return True once the other side has closed a connection; what it says before is thrown away."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(TIMEOUT):
            while await reader.read(65536):
                pass
    return True


async def test_a_head_that_never_ends_is_cut_off(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether nothing comes, half a head, or a second half one; who waits for an answer stays."""
    monkeypatch.setattr(patience, "HTTP_HEAD_SECONDS_MAX", SOON)
    async with here.connection() as (reader, _):
        assert await is_cut(reader)
    async with here.connection() as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nX: ")
        assert await is_cut(reader)
    run = await here.app.start("sleeping")
    async with here.connection() as (reader, writer):
        writer.write(here.head(f"GET /v1/runs/{run.id}/result?wait={3 * SOON}"))
        assert b" 202 " in await reader.readline()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /health HT")
        assert await is_cut(reader)
    assert (await here.http.get("/health")).status_code == 200


async def test_a_body_that_drips_is_given_up(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """However steadily it comes; its sender is told, and nothing is done."""
    monkeypatch.setattr(routing, "HTTP_BODY_SECONDS_MAX", SOON)
    async with here.connection() as (reader, writer):
        writer.write(here.head("POST /v1/runs", 10_000))

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(SOON / 20)

        dripping = asyncio.create_task(drip())
        assert b" 408 " in await asyncio.wait_for(reader.readline(), TIMEOUT)
        dripping.cancel()
    assert await here.app.list_runs() == []


async def test_many_who_keep_it_waiting_stop_nobody(here: Here) -> None:
    """Two hundred half heads and half bodies are open, and others are answered."""
    async with contextlib.AsyncExitStack() as stack:
        for number in range(200):
            _, writer = await stack.enter_async_context(here.connection())
            whole = here.head("POST /v1/runs", 100)
            writer.write(whole if number % 2 else whole[:20])
        run = await here.app.start("sleeping")
        assert (await here.http.get(f"/v1/runs/{run.id}")).status_code == 200


async def test_who_never_reads_is_cut_off(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A reader of a stream that does not read holds up nobody, has little kept for him, and is cut off in the end; he
    comes back and goes on behind what he has.
    """
    run = await here.app.start("sleeping")
    writable = run.writable("raw", type="bytes")
    for _ in range(CHUNKS):
        await writable.write(bytes(CHUNK))
    await writable.close()
    path = f"/v1/runs/{run.id}/stream/bytes?name=raw"
    monkeypatch.setattr(patience, "HTTP_STALLED_SECONDS_MAX", SOON)
    cut, lost = asyncio.Event(), patience.PatientProtocol.connection_lost

    def connection_lost(self: patience.PatientProtocol, error: Exception | None) -> None:
        lost(self, error)
        cut.set()

    monkeypatch.setattr(patience.PatientProtocol, "connection_lost", connection_lost)
    got = 0
    async with here.connection() as (reader, writer):
        writer.write(here.head(f"GET {path}"))
        assert b" 200 " in await reader.readline()
        assert (await here.http.get("/health")).status_code == 200
        await asyncio.wait_for(cut.wait(), TIMEOUT)
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                got += len(piece)
    assert got < CHUNK * CHUNKS / 2
    monkeypatch.setattr(patience, "HTTP_STALLED_SECONDS_MAX", TIMEOUT)
    rest = await here.http.get(f"{path}&offset={CHUNK}")
    assert len(rest.content) == CHUNK * (CHUNKS - 1)


async def test_a_body_larger_than_is_taken(here: Here) -> None:
    """Is refused when it says so, and when it only turns out to be; what is there of it is let go."""
    refused = await here.http.post("/v1/runs", content=bytes(HTTP_BODY_BYTES_MAX + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(HTTP_BODY_BYTES_MAX // 2**20 + 2):
            yield b" " * 2**20

    told = await here.http.post("/v1/runs", content=pieces())
    assert (told.status_code, told.json()["code"]) == (413, "BODY_TOO_LARGE")
