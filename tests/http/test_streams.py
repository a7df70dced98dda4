"""Streams by HTTP: pages, server-sent events, raw bytes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.test_runs import result, start
from torpor.engine.stream_reading import StreamChunk
from torpor.errors import StreamTypeError
from torpor.http import streams
from torpor.http.auth import Grant
from torpor.http.routing import Call
from torpor.http.service import Service

COUNT = 40


@pytest.fixture(scope="module")
def written(server: Any) -> str:
    """The id of a run that has written its streams."""
    with server.client() as http:
        run_id = start(http, "writing", COUNT)
        assert result(http, run_id)["output"] == COUNT
    return run_id


def events(http: httpx.Client, run_id: str, after: int | None = None, **params: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield id, type and data of server-sent events; closing it cuts the connection."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with http.stream("GET", f"/v1/runs/{run_id}/stream/events", headers=headers, params=params) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
                fields = {}


def test_streams_are_listed(http: httpx.Client, written: str) -> None:
    """With their types, and whether they have ended."""
    found = http.get(f"/v1/runs/{written}/streams").json()
    assert [(each["name"], each["type"], each["count"], each["closed"]) for each in found] == [
        ("", "", COUNT, True),
        ("raw", "bytes", COUNT, True),
    ]


def test_a_stream_is_read_in_pages(http: httpx.Client, written: str) -> None:
    """Each chunk once, from the beginning or from the end."""
    seen, start_at, done = [], 0, False
    while not done:
        page = http.get(f"/v1/runs/{written}/stream", params={"start": start_at, "limit": 15}).json()
        seen += [chunk["value"] for chunk in page["chunks"]]
        start_at, done = page["next"], page["done"]
    assert seen == [{"n": number} for number in range(COUNT)]
    last = http.get(f"/v1/runs/{written}/stream", params={"start": -2}).json()["chunks"]
    assert [chunk["index"] for chunk in last] == [COUNT - 2, COUNT - 1]
    raw = http.get(f"/v1/runs/{written}/stream", params={"name": "raw", "limit": 1}).json()["chunks"]
    assert raw[0]["value"] == "base64:MDs="
    assert http.get(f"/v1/runs/{written}/stream", params={"name": "none"}).json()["chunks"] == []


def test_a_stream_is_followed_to_its_end(http: httpx.Client, written: str) -> None:
    """Each chunk is an event with its index, and the end is told."""
    found = list(events(http, written))
    assert [(index, kind) for index, kind, _ in found[:-1]] == [(str(n), "chunk") for n in range(COUNT)]
    assert [data["value"] for *_, data in found[:-1]] == [{"n": n} for n in range(COUNT)]
    assert found[-1][1] == "end"


def test_a_reader_that_was_cut_off_misses_nothing(http: httpx.Client, tmp_path: Path) -> None:
    """It comes back again and again while the stream is written, and has every chunk once."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    run_id = start(http, "writing_slowly", str(gate), COUNT)
    seen: list[int] = []
    ended = False
    while not ended:
        reading = events(http, run_id, after=len(seen) - 1 if seen else None)
        for index, kind, data in reading:
            if kind == "end":
                ended = True
                break
            assert int(index) == data["index"]
            seen.append(data["value"])
            if len(seen) == COUNT // 2:
                gate.write_bytes(b"")
            if len(seen) % 7 == 0:
                break
        reading.close()  # type: ignore[attr-defined]  # it is a generator
    assert seen == list(range(COUNT))


def test_bytes_are_read_as_they_are(http: httpx.Client, written: str) -> None:
    """From the beginning, or behind those that one has; values are no bytes."""
    whole = "".join(f"{number};" for number in range(COUNT)).encode()
    address = f"/v1/runs/{written}/stream/bytes"
    assert http.get(address, params={"name": "raw"}).content == whole
    for offset in (1, 2, 57, len(whole), len(whole) + 10):
        assert http.get(address, params={"name": "raw", "offset": offset}).content == whole[offset:]
    assert http.get(address).json()["code"] == "STREAM_TYPE"


@pytest.mark.parametrize("known", ["x", "-1", "1.5", "1" * 30, "\xb2"])
def test_a_wrong_place_is_refused(http: httpx.Client, written: str, known: str) -> None:
    """Before the stream begins."""
    headers = [(b"Last-Event-ID", known.encode("latin-1"))]
    answer = http.get(f"/v1/runs/{written}/stream/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


def _call(service: Service) -> Call:
    return Call(None, service, Grant("tests", frozenset({"operate"})), None)  # type: ignore[arg-type]  # there is no request


async def test_a_silent_connection_gets_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a proxy keeps it, and who has left is noticed; nothing is lost between two of them."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0.001)
    service = Service(None)  # type: ignore[arg-type]  # nothing of the world is needed
    silence = asyncio.Event()

    async def chunks() -> Any:
        await silence.wait()
        yield StreamChunk(0, "late", "step", 1, True, 0)

    found = []
    async for text in streams._events(_call(service), chunks()):
        found.append(text)
        silence.set()
    assert found[0] == b": nothing new\n\n"
    assert found[-2].startswith(b"id: 0\nevent: chunk\n")
    assert found[-1] == b"event: end\ndata: {}\n\n"


async def test_a_late_error_is_told() -> None:
    """As a problem, where the answer has begun; bytes are broken off instead."""

    async def chunks() -> Any:
        yield StreamChunk(0, "first", "step", 1, True, 0)
        raise StreamTypeError("no more")

    service = Service(None)  # type: ignore[arg-type]  # as above
    found = b"".join([text async for text in streams._events(_call(service), chunks())])
    assert b"first" in found
    assert b'event: problem\ndata: {"type":"urn:torpor:error:STREAM_TYPE"' in found
    with pytest.raises(StreamTypeError):
        [text async for text in streams._bytes(service, chunks(), 0)]
