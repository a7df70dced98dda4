"""A real server process on loopback, and a client of it."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.cli.processes import Process
from torpor import open_world
from torpor.http.tokens import ROLES, make_token, store_token

APPLICATION = Path(__file__).parent / "application.py"
TIMEOUT = 60.0


def world_token(folder: Path, **about: Any) -> str:
    """Return a token that is valid in the world of a folder, whichever process serves it."""

    async def store() -> str:
        world = open_world(f"sqlite:///{folder}/torpor.db")
        await world.open()
        try:
            made = make_token(world.clock.now(), **{"roles": ROLES, **about})
            await store_token(world, made.token)
            return made.text
        finally:
            await world.close()

    return asyncio.run(store())


class Server:
    """
    ``torpor serve`` in a folder of its own, until the block ends.

    Args:
        folder: where it runs; gets the application.
        options: of the command line.
        settings: of the environment.

    Attributes:
        url: where it is.
        token: that may do everything.
        link: that lets one browser in.
    """

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.folder = folder
        self._options = options
        self._settings = settings
        self.url = self.token = self.link = ""

    def __enter__(self) -> Self:
        if not (self.folder / "app.py").exists():
            shutil.copy(APPLICATION, self.folder / "app.py")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.__exit__(kind, error, trace)

    def start(self, port: int = 0) -> None:
        """Start a process, on a port."""
        self.process = Process(
            self.folder, "serve", "app.py", "--dev", "--port", str(port), *self._options, **self._settings
        )
        self.url = self.process.wait_line("serving http://").split()[1].rstrip(",")
        self.token = self.process.wait_line("token tpr_").split()[1]
        self.link = self.process.wait_line("open once ").split()[2]

    def kill(self) -> None:
        """End the process as a power cut does."""
        self.process.send(signal.SIGKILL)
        self.process.wait_end()
        self.process.__exit__(None, None, None)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Return a client; with a token that may do everything by default, with ``""`` without one."""
        token = self.token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=False, **options)
