"""One connection that repeats a GET, with next to nothing of a client: what is measured with it is the server."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from benchmarks.harness.child import BenchmarkError

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


async def repeat(url: str, token: str, count: int) -> None:
    """
    Ask for *url* so many times, one after the other, on one connection that stays.

    Raises:
        BenchmarkError: an answer is another one than 200.
    """
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    request = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}".encode() + _END
    try:
        for _ in range(count):
            writer.write(request)
            head = (await reader.readuntil(_END)).lower().split(b"\r\n")
            body = await reader.readexactly(
                next(int(line.removeprefix(_LENGTH)) for line in head if line.startswith(_LENGTH))
            )
            if b" 200 " not in head[0]:
                raise BenchmarkError(f"{url} is answered with {head[0].decode()}: {body.decode()}")
    finally:
        writer.close()
