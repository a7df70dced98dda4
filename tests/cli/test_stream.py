"""``torpor stream``, and the streams that ``torpor inspect`` lists."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.conftest import Torpor
from tests.cli.processes import Process, environment
from tests.cli.project import WORLD, Runs
from tests.cli.screen import screen
from torpor import Client
from torpor.codec.crypto.keys import Keyring, generate, key_text
from torpor.model import NewChunk, StreamType
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.story import new_run
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world

KEY = generate()


def write(
    run_id: str, values: list[Any], name: str = "", kind: StreamType = "", *, close: bool = False, keys: str = ""
) -> None:
    """Write to a stream of a run of the project."""

    async def written() -> None:
        async with opened(open_world(WORLD)) as world:
            writable = Client(world, Keyring.parse(keys)).run(run_id).writable(name, type=kind)
            for value in values:
                await writable.write(value)
            if close:
                await writable.close()

    asyncio.run(written())


def test_values_are_shown_line_by_line(torpor: Torpor, runs: Runs) -> None:
    """Text as it is, other values as JSON; from any place on."""
    write(runs.completed, ["Once\n", "upon a time", {"n": 1}, None, [1, "two"]])
    lines = ["Once", "upon a time", '{"n": 1}', "null", '[1, "two"]']
    assert torpor.ok("stream", runs.completed).splitlines() == lines
    assert torpor.ok("stream", runs.completed, "--from", "-2").splitlines() == lines[-2:]
    assert torpor.ok("stream", runs.completed, "--from", "1", "--follow").splitlines() == lines[1:]


def test_chunks_are_json_documents_on_lines(torpor: Torpor, runs: Runs) -> None:
    """With all that is known of them."""
    write(runs.completed, ["a", b"\x01"], "news")
    one, other = map(json.loads, torpor.ok("stream", runs.completed, "--name", "news", "--json").splitlines())
    assert (one["index"], one["value"], one["attempt"], one["is_last_attempt"]) == (0, "a", None, True)
    assert one["writer"].startswith("wrtr_")
    assert (other["index"], other["value"]) == (1, "base64:AQ==")


def test_a_stream_that_is_not_there_is_told(torpor: Torpor, runs: Runs) -> None:
    """With those that are."""
    write(runs.completed, ["a"], "news")
    refused = torpor("stream", runs.completed)
    assert refused.exit_code == 2
    assert "has no default stream; it has: --name news. --follow waits" in refused.output
    assert "has no stream 'old'; it has: --name news" in torpor("stream", runs.completed, "--name", "old").output
    assert torpor.ok("stream", runs.completed, "--name", "old", "--follow") == ""


def test_what_a_failed_attempt_wrote_is_marked(torpor: Torpor, runs: Runs) -> None:
    """Or left out."""

    async def written() -> None:
        async with opened(open_world(WORLD)) as world:
            values = Client(world).run(runs.completed).writable("news")
            await values.write("marker")
            page = await world.read_stream(runs.completed, values._stored_name)
            for attempt in (1, 2):
                again = batch(
                    run_id=runs.completed, name=values._stored_name, attempt=attempt, writer="step_1", first=0
                )
                chunk = page.chunks[0]

                await world.write_stream(replace(again, chunks=(NewChunk(chunk.data),)))

    asyncio.run(written())
    shown = torpor.ok("stream", runs.completed, "--name", "news").splitlines()
    assert shown == ["marker", "marker  (attempt 1, replaced)", "marker"]
    assert torpor.ok("stream", runs.completed, "--name", "news", "--last-attempt").splitlines() == ["marker", "marker"]


def test_following_ends_at_the_close(runs: Runs, project: Path) -> None:
    """Each chunk is printed as soon as it is written."""
    with Process(project, "stream", runs.waiting, "--name", "news", "--follow") as following:
        for text in ("one", "two"):
            write(runs.waiting, [text], "news")
            following.wait_line(text)
        write(runs.waiting, [], "news", close=True)
        assert following.wait_end() == 0


def test_bytes_go_as_they_are_to_a_file(runs: Runs, project: Path) -> None:
    """Whatever they are."""
    content = bytes(range(256)) * 10
    write(runs.completed, [content, b"end"], "file", "bytes", close=True)
    command = [sys.executable, "-P", "-m", "torpor.cli", "stream", runs.completed, "--name", "file"]
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, timeout=60, check=True)
    assert done.stdout == content + b"end"


def test_encrypted_streams_are_shown_on_demand(torpor: Torpor, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being asked, and without the key, nothing of them is."""
    keys = Keyring([KEY])
    its = keys.run("wrun_secret", keys.current)

    async def made() -> None:

        async with opened(open_world(WORLD)) as world:
            new = replace(new_run("wrun_secret"), key_id=keys.current, public=its.public, seed=b"")
            await world.create_run(new)

    asyncio.run(made())
    write("wrun_secret", ["qMarker"], keys=key_text(KEY))
    assert project == Path.cwd()
    monkeypatch.setenv("TORPOR_KEYS", key_text(KEY))
    assert torpor.ok("stream", "wrun_secret") == f"encrypted (key {keys.current})\n"
    assert torpor.ok("stream", "wrun_secret", "--decrypt") == "qMarker\n"
    monkeypatch.delenv("TORPOR_KEYS")
    assert "KEY_MISSING" in torpor("stream", "wrun_secret", "--decrypt").output


def test_inspect_lists_streams(torpor: Torpor, runs: Runs, project: Path) -> None:
    """Their names, how much is in them, and whether they are closed."""
    write(runs.completed, ["a", "b"])
    write(runs.completed, [b"1234"], "file", "bytes", close=True)
    shown = [line for line in screen(project, "inspect", runs.completed) if line.startswith("  stream")]
    assert shown == ["  stream    (default): 2 chunks, 26 B, open", "  stream    file: 1 chunk, 8 B, closed"]
    found = torpor.json("inspect", runs.completed)["streams"]
    assert [(each["name"], each["count"], each["closed"], each["type"]) for each in found] == [
        ("", 2, False, ""),
        ("file", 1, True, "bytes"),
    ]
