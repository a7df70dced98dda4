"""A server of its own, in this process and on this event loop: uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from torpor.errors import ConfigurationError
from torpor.http.patience import PatientProtocol
from torpor.http.service import Service

GRACE_SECONDS = 10
"""How long requests may take that are being answered when the server stops."""


class _Server(uvicorn.Server):
    """Leaves signals to the command whose process it is in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens; port 0 stands for any that is free.

    Raises:
        ConfigurationError: the address is taken, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error}; choose others with --host and --port"
        ) from error
    # Connections inherit it. Without, an answer in two pieces waits up to 40 ms until the first is acknowledged:
    # asyncio sees to it only where a socket names its protocol, and create_server's does not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL of what a socket listens for."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, service: Service, listening: socket.socket) -> AsyncIterator[None]:
    """
    Answer requests while the block runs. At its end those that wait are answered, and others have
    :data:`GRACE_SECONDS`.

    Args:
        app: what answers.
        service: what it works on.
        listening: is closed at the end.
    """
    config = uvicorn.Config(
        app,
        http=PatientProtocol,  # and not httptools where that is installed: it takes heads of any size (docs/adr/0062)
        ws="none",
        log_config=None,  # the process's own logging has what there is to tell
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        service.stopping.set()
        server.should_exit = True
        await running
        listening.close()
