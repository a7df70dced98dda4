"""
A server for the conformance suite: ``python -m tests.worlds.http_server FOLDER`` prints its URL and a token.

Each world of a test has a SQLite world of its own behind the server, on the test's file, and the time that its requests
name: so clocks that disagree, and worlds that act at the same moment, are the database's to cope with. Limits are those
that the test has.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from torpor import limits
from torpor.client import Client
from torpor.clock import SystemClock
from torpor.http.asgi import asgi
from torpor.http.hearing import Hearing
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.http.tokens import make_token
from torpor.worlds.sqlite import SqliteWorld

STORE, WORLD, TIME, CLOSE, LIMITS = b"test-store", b"test-world", b"test-time", b"test-close", b"test-limits"

AS_THEY_ARE: Final = {name: value for name, value in vars(limits).items() if name.isupper()}
"""The limits that no test has changed."""


class ToldClock(SystemClock):
    """A clock that shows what it is told, else the machine's time."""

    told: tuple[int, int] | None = None

    def now(self) -> int:
        return super().now() if self.told is None else self.told[0]

    def steady(self) -> int:
        return super().steady() if self.told is None else self.told[1]


class Worlds:
    """
    Hands requests to the world that they name.

    Args:
        folder: of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.made = make_token(SystemClock().now(), ("work", "decrypt"))
        self._open: dict[bytes, tuple[SqliteWorld, ToldClock, Service, ASGIApp]] = {}

    async def prepare(self) -> None:
        """Make an empty file to copy: to make its tables anew takes longer than most tests."""
        world = SqliteWorld(f"sqlite:///{self._folder}/empty.db")
        await world.open()
        await world.close()

    def _store(self, name: str) -> str:
        """Return the URL of a file, which is there."""
        file = self._folder / f"{name}.db"
        if not file.exists():
            shutil.copy(self._folder / "empty.db", file)
        return f"sqlite:///{file}?synchronous=normal"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if CLOSE in headers:
            if headers[WORLD] in self._open:
                world, _, service, _ = self._open.pop(headers[WORLD])
                service.stopping.set()
                await world.close()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        if headers[WORLD] not in self._open:
            clock = ToldClock()
            world = SqliteWorld(self._store(headers[STORE].decode()), clock)
            service = Service(Client(world))
            service.part(Hearing).since = 0  # it was there before all of them, and heard nothing
            app = asgi(service.client, tokens=[self.made.token], service=service)
            self._open[headers[WORLD]] = world, clock, service, app
        _, clock, _, app = self._open[headers[WORLD]]
        vars(limits).update(AS_THEY_ARE | json.loads(headers.get(LIMITS, b"{}")))
        if TIME in headers:
            now, steady = headers[TIME].split()
            clock.told = int(now), int(steady)
        await app(scope, receive, send)


async def _serve(folder: Path) -> None:
    worlds = Worlds(folder)
    await worlds.prepare()
    listening = listen("127.0.0.1", 0)
    never: Any = type("Never", (), {"stopping": asyncio.Event()})()
    async with serving(worlds, never, listening):
        print(url_of(listening), worlds.made.text, flush=True)  # noqa: T201  # for the tests to read
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_serve(Path(sys.argv[1])))
