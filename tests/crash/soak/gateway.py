"""
What stands between workers and their world when that is behind a URL: a server process, and the way to it, which may be
cut in the middle of whatever goes over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import random
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from typing import Final

from tests.crash.soak.place import Place
from torpor.client import Client
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving

HOST: Final = "127.0.0.1"
_PIECE: Final = 4_096
_PATIENCE_SECONDS: Final = 60.0

_processes = multiprocessing.get_context("forkserver")


def serve(place: Place, port: int) -> None:
    """Serve the world of a soak, until the process is killed."""
    log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d server: %(message)s", force=True)
    asyncio.run(_serve(place, port))


async def _serve(place: Place, port: int) -> None:
    world = place.world_itself()
    await world.open()
    service = Service(Client(world))
    async with serving(asgi(service.client, service=service), service, listen(HOST, port)):
        await asyncio.Event().wait()


class Gateway:
    """
    The server, and the way to it.

    Args:
        place: where the world is.
        dice: where connections are cut.

    Attributes:
        done: what befell them, counted.
    """

    def __init__(self, place: Place, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.goes_away: Callable[[], None] = lambda: None  # never quite: the way to it is there
        self.is_away = False
        self._place, self._dice = place, dice
        self._port = _free_port()
        self._process: BaseProcess | None = None
        self._ways: set[asyncio.StreamWriter] = set()
        self._bytes_left: int | None = None  # until all that is under way is cut

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Start both; yield the URL that workers have."""
        await self.start()
        way = await asyncio.start_server(self._carry, HOST, 0)
        try:
            yield f"http://{HOST}:{way.sockets[0].getsockname()[1]}"
        finally:
            way.close()
            self.cut()
            await self.kill()

    async def start(self) -> None:
        """Start a server, and return once it listens."""
        process = _processes.Process(target=serve, args=(self._place, self._port), daemon=True)
        await asyncio.to_thread(process.start)
        self._process = process
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await self._listens():  # noqa: ASYNC110  # it is a process of its own
                await asyncio.sleep(0.02)
        self.done["server started"] += 1

    async def mend(self) -> None:
        """Start a server if there is none."""
        if self._process is None or not self._process.is_alive():
            await self.start()

    async def kill(self) -> None:
        """End the server as a power cut does."""
        assert self._process is not None
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        self.done["server killed"] += 1

    async def freeze(self, seconds: float) -> None:
        """Keep the server from running for so long."""
        assert self._process is not None
        pid = self._process.pid or 0
        os.kill(pid, signal.SIGSTOP)
        self.done["server frozen"] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def cut(self, share: float = 1.0) -> None:
        """Cut connections, about so many of all, with what is under way on them."""
        for way in [way for way in self._ways if self._dice.random() < share]:
            way.transport.abort()
        self.done["connections cut"] += 1

    def cut_within(self, count: int) -> None:
        """Cut the connection that carries the last of the next so many bytes, behind that byte."""
        self._bytes_left = count

    async def strike(self, lease_seconds: float) -> None:
        """Do one of all that, as the dice say."""
        roll, dice = self._dice.random(), self._dice
        if roll < 0.25:
            await self.kill()
            await asyncio.sleep(dice.uniform(0, 0.5))
            await self.start()
        elif roll < 0.35:
            await self.freeze(dice.uniform(0.1, lease_seconds * 1.3))
        elif roll < 0.6:
            self.cut(dice.choice((0.3, 1.0)))
        else:
            self.cut_within(dice.randint(1, 6_000))

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self._port)
        except OSError:
            return False
        writer.close()
        return True

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a connection to the server."""
        try:
            there, onward = await asyncio.open_connection(HOST, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = (writer, onward)
        self._ways.update(ends)
        try:
            await asyncio.gather(self._pump(reader, onward), self._pump(there, writer))
        except OSError:
            pass
        finally:
            for end in ends:
                self._ways.discard(end)
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            if self._bytes_left is not None and len(piece) >= self._bytes_left:
                piece, self._bytes_left = piece[: self._bytes_left], None
                self.done["cut inside of a message"] += 1
                writer.write(piece)
                with contextlib.suppress(OSError):
                    await writer.drain()
                raise ConnectionAbortedError
            if self._bytes_left is not None:
                self._bytes_left -= len(piece)
            writer.write(piece)
            await writer.drain()
        raise ConnectionAbortedError  # both directions end with one: HTTP leaves none half open


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
        return port
