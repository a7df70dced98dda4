"""A server by TLS, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from torpor.http.serving import _Server, listen, url_of


@asynccontextmanager
async def by_tls(app: ASGIApp, certificate: Path, **options: Any) -> AsyncIterator[str]:
    """
    Serve while the block runs, and yield where.

    Args:
        app: answers.
        certificate: of the server, with its key.
        options: for uvicorn.
    """
    listening = listen("127.0.0.1", 0)
    server = _Server(uvicorn.Config(app, log_config=None, lifespan="off", ssl_certfile=certificate, **options))
    running = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield url_of(listening).replace("http://", "https://")
    finally:
        server.should_exit = True
        await running
        listening.close()
