"""A step worker as a process of its own: ``@torpor/steps`` by its command line."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

from torpor.http.tokens import Role, make_token, store_token
from torpor.programs.javascript.sdk_project import node, scripts
from torpor.world import World

SECONDS_MAX = 60.0


class StepWorker:
    """
    The process; what it tells comes line by line.

    Attributes:
        seen: lines that it has told.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen: list[str] = []

    @classmethod
    async def start(cls, project: Path, url: str, token: str, *options: str) -> Self:
        """Return one that begins."""
        command = [node(), str(scripts() / "cli.mjs"), "--url", url, *options, str(project)]
        settings = {**os.environ, "TORPOR_TOKEN": token}
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                env=settings,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=1 << 20,
            )
        )

    async def line(self, text: str) -> str:
        """Return the next line with a text in it."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS_MAX):
            async for raw in self._process.stdout:
                self.seen.append(raw.decode().rstrip("\n"))
                if text in self.seen[-1]:
                    return self.seen[-1]
        raise AssertionError(f"it ended without a line with {text!r}: {self.seen}")

    def send(self, what: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(what)

    async def ended(self) -> int:
        """Return its exit code once it has ended; all its lines are seen then."""
        with suppress(AssertionError):
            await self.line("\0")
        async with asyncio.timeout(SECONDS_MAX):
            return await self._process.wait()

    async def stop(self) -> None:
        """End it if it has not ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
        await self.ended()


async def role_token(world: World, *roles: Role) -> str:
    """Return a token of an open world."""
    made = make_token(world.clock.now(), roles)
    await store_token(world, made.token)
    return made.text


@asynccontextmanager
async def at_work(project: Path, url: str, token: str, *options: str) -> AsyncIterator[StepWorker]:
    """Have a step worker at work while the block runs."""
    worker = await StepWorker.start(project, url, token, *options)
    try:
        await worker.line("is at work")
        yield worker
    finally:
        await worker.stop()
