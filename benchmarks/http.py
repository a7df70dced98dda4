"""
The front door on HTTP, beside the direct client: start to result, resume, a stream's lag, requests a second.

A worker and the server are one process, as ``torpor serve`` has them, and the client another one: it speaks HTTP over
loopback, by httpx, or has the world's file open itself.

The rate is that of bare connections, because httpx spends several times as much on a request as the server does;
``cpu`` is what the server's process spends on one, whoever else is busy.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Protocol

import httpx
import msgspec
import psutil

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.connection import repeat
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import timed_ms
from benchmarks.steps import READY, written_at
from torpor import Client, HookNotFoundError
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import make_token
from torpor.worlds import open_world

PAST_STEPS: Final = 10
CHUNK_BYTES: Final = 100
PAUSE_SECONDS: Final = 0.005
CLIENTS: Final = 16
"""Requests at the same time, for their rate."""

By = Literal["http", "direct"]


class Work(msgspec.Struct, frozen=True):
    """What the process of the client is to do: where the world and the server are, whose id, and by which of them."""

    setting: Setting
    url: str
    token: str
    server: int
    by: By


class Seen(msgspec.Struct, frozen=True):
    """What the client saw: samples in milliseconds, requests a second, and the server's milliseconds for each."""

    start_to_result: list[float]
    resume: list[float]
    lag: list[float]
    requests_per_s: list[float]
    cpu: list[float]


class Door(Protocol):
    """What both ways in can do."""

    async def start(self, workflow: str, *args: Any, run_id: str) -> None: ...

    async def result(self, run_id: str) -> Any: ...

    async def resume(self, token: str) -> None: ...

    async def looks(self, run_id: str, count: int) -> None: ...

    def chunks(self, run_id: str) -> AsyncIterator[bytes]: ...


def run(setting: Setting) -> list[Row]:
    """Return the rows of both ways."""
    rows = Rows("http", setting)
    for by in ("http", "direct"):
        say(f"http: {by}")
        with fresh(setting) as place:
            seen = child.call(serve_http if by == "http" else serve_direct, place)
        for name, unit in (("start_to_result", "ms"), ("resume", "ms"), ("lag", "ms"), ("requests_per_s", "1/s")):
            rows.add(name, unit, getattr(seen, name), {"by": by})
        if by == "http":
            rows.add("cpu", "ms", seen.cpu, {"by": by})
    return rows.all


def serve_http(setting: Setting) -> Seen:
    """Work and serve in this process while a client measures by HTTP."""
    return asyncio.run(_serve(setting, "http"))


def serve_direct(setting: Setting) -> Seen:
    """Work and serve in this process while a client measures by the world's file."""
    return asyncio.run(_serve(setting, "direct"))


async def _serve(setting: Setting, by: By) -> Seen:
    async with working(setting) as app:
        service, made, listening = Service(app), make_token(app.clock.now(), ("operate",)), listen("127.0.0.1", 0)
        async with serving(asgi(app, tokens=[made.token], service=service), service, listening):
            return await asyncio.to_thread(
                child.call, measure, Work(setting, url_of(listening), made.text, os.getpid(), by)
            )


def measure(work: Work) -> Seen:
    """Measure in this fresh process."""
    return asyncio.run(_measure(work))


async def _measure(work: Work) -> Seen:
    world = open_world(work.setting.world)
    await world.open()
    try:
        client = Client(world)
        async with _by_http(work) if work.by == "http" else _direct(client) as door:
            samples = range(1 + work.setting.samples)
            started = [await timed_ms(_started(door, f"start-{n}")) for n in samples]
            for n in samples:
                await door.start("waiting", PAST_STEPS, f"token-{n}", run_id=f"wait-{n}")
                await _parked(client, f"token-{n}")
            resumed = [await timed_ms(_resumed(door, n)) for n in samples]
            lags = [await _lag(client, door, n, 40 if work.setting.quick else 200) for n in samples]
            looked = [await _rate(work, door, "start-0", 320 if work.setting.quick else 3_200) for _ in samples]
        rates, cpu = zip(*looked[1:], strict=True)
        return Seen(started[1:], resumed[1:], lags[1:], list(rates), list(cpu))
    finally:
        await world.close()


async def _started(door: Door, run_id: str) -> None:
    await door.start("sequential", 1, run_id=run_id)
    _expect(await door.result(run_id), 1)


async def _resumed(door: Door, number: int) -> None:
    await door.resume(f"token-{number}")
    _expect(await door.result(f"wait-{number}"), PAST_STEPS + 1)


async def _lag(client: Client, door: Door, number: int, chunks: int) -> float:
    """Return the median lag of chunks that are written one by one, in milliseconds."""
    run_id = f"stream-{number}"
    await door.start("streaming", chunks, CHUNK_BYTES, PAUSE_SECONDS, run_id=run_id)
    await client.run(run_id).writable(READY).close()
    lags = [time.monotonic() - written_at(chunk) async for chunk in door.chunks(run_id)]
    _expect(len(lags), chunks)
    return 1000 * statistics.median(lags)


async def _rate(work: Work, door: Door, run_id: str, count: int) -> tuple[float, float]:
    """Return requests a second, and milliseconds of the server's processor time for each."""
    server = psutil.Process(work.server)
    before, begun = server.cpu_times(), time.perf_counter()
    await asyncio.gather(*(door.looks(run_id, count // CLIENTS) for _ in range(CLIENTS)))
    seconds, after = time.perf_counter() - begun, server.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return count / seconds, 1000 * spent / count


async def _parked(client: Client, token: str) -> None:
    while True:
        try:
            await client.get_hook(token)
            return
        except HookNotFoundError:
            await asyncio.sleep(0.01)


def _expect(found: Any, expected: Any) -> None:
    if found != expected:
        raise BenchmarkError(f"{found!r:.100} instead of {expected!r:.100}; its time means nothing")


class _Http:
    def __init__(self, client: httpx.AsyncClient, work: Work) -> None:
        self._client = client
        self._work = work

    async def start(self, workflow: str, *args: Any, run_id: str) -> None:
        await self._send("POST", "/v1/runs", json={"workflow": workflow, "args": args, "id": run_id})

    async def result(self, run_id: str) -> Any:
        return (await self._send("GET", f"/v1/runs/{run_id}/result", params={"wait": 60})).json()["output"]

    async def resume(self, token: str) -> None:
        await self._send("POST", f"/v1/hooks/{token}", json=1)

    async def looks(self, run_id: str, count: int) -> None:
        await repeat(f"{self._work.url}/v1/runs/{run_id}", self._work.token, count)

    async def chunks(self, run_id: str) -> AsyncIterator[bytes]:
        rest = b""
        async with self._client.stream("GET", f"/v1/runs/{run_id}/stream/bytes") as answer:
            async for piece in answer.aiter_raw():
                rest += piece
                while len(rest) >= CHUNK_BYTES:
                    yield rest[:CHUNK_BYTES]
                    rest = rest[CHUNK_BYTES:]

    async def _send(self, method: str, path: str, **about: Any) -> httpx.Response:
        return (await self._client.request(method, path, **about)).raise_for_status()


class _Direct:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def start(self, workflow: str, *args: Any, run_id: str) -> None:
        await self._client.start(workflow, *args, run_id=run_id)

    async def result(self, run_id: str) -> Any:
        return await self._client.run(run_id).result()

    async def resume(self, token: str) -> None:
        await self._client.resume_hook(token, 1)

    async def looks(self, run_id: str, count: int) -> None:
        for _ in range(count):
            await self._client.run(run_id).info()

    async def chunks(self, run_id: str) -> AsyncIterator[bytes]:
        async for chunk in self._client.run(run_id).stream(until="close"):
            yield chunk


@asynccontextmanager
async def _by_http(work: Work) -> AsyncIterator[Door]:
    headers = {"Authorization": f"Bearer {work.token}"}
    async with httpx.AsyncClient(base_url=work.url, headers=headers, timeout=90, trust_env=False) as client:
        yield _Http(client, work)


@asynccontextmanager
async def _direct(client: Client) -> AsyncIterator[Door]:
    yield _Direct(client)
