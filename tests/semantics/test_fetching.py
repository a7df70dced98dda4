"""The built-in step ``fetch``, against a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.semantics.support import Stage, outcome

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUT = "http://169.254.169.254/latest"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer by path."""
        match self.path.partition("?")[0]:
            case "/todo":
                todo = {"title": "delectus", "who": self.headers.get("X-Who")}
                self._answer(200, json.dumps(todo).encode(), "application/json")
            case "/moved":
                self._answer(302, b"", "text/plain", {"Location": "/todo"})
            case "/out":
                self._answer(302, b"", "text/plain", {"Location": OUT})
            case _:
                self._answer(404, b"not here", "text/plain")

    def do_POST(self) -> None:
        """Answer with what was sent."""
        self._answer(201, self.rfile.read(int(self.headers["Content-Length"])), "text/plain")

    def _answer(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


async def test_fetch_step(stage: Stage, server: str) -> None:
    """Headers and bodies both ways, a redirect, and a status that is no error; each request is a step."""
    run = await stage.start("fetch_step", server)
    assert await outcome(run) == {
        "got": [200, True, "application/json", "delectus", "ann"],
        "posted": [201, "written"],
        "moved": [True, f"{server}/todo", "delectus"],
        "missing": [404, False, "not here"],
    }
    assert [step.name for step in await run.steps()] == ["step//torpor//fetch"] * 4


async def test_only_hosts_that_are_allowed(stage: Stage, server: str) -> None:
    """Not where a redirect leads, either, and not again: the error names the remedy."""
    for url in (OUT, f"{server}/out"):
        run = await stage.start("fetch_fails", url)
        told = await outcome(run)
        assert told.startswith("NotAllowedError: workflow code may not fetch from 169.254.169.254:80")
        assert "Torpor(allow=['host//169.254.169.254'])" in told
        assert [step.attempt for step in await run.steps()] == [1]


async def test_what_is_no_address(stage: Stage) -> None:
    """It is a mistake, and not tried again."""
    assert "is no URL of http or https" in await stage.result("fetch_fails", "file:///etc/passwd")
