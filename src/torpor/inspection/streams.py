"""What is in streams, as it may be seen: without anybody's classes, and of encrypted runs only what is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from torpor.client import Client
from torpor.codec import bare
from torpor.engine.stream_reading import Part, StreamChunk
from torpor.engine.streams import StreamInfo
from torpor.inspection.readable import readable
from torpor.inspection.redaction import Mark, in_words
from torpor.inspection.timestamps import iso
from torpor.model import Run


async def shown_chunks(
    client: Client, run: Run, name: str, part: Part, *, decrypt: bool, mark: Mark = in_words
) -> AsyncIterator[StreamChunk]:
    """
    Yield a stream's chunks as they are written, their values as JSON data, bytes as they are.

    Args:
        client: of the run's world.
        run: whose stream.
        name: stored name of the stream.
        part: what of it.
        decrypt: whether somebody has asked to see what is encrypted.
        mark: makes what stands in the place of values that are hidden.

    Raises:
        KeyMissingError: that is asked for, and the key is not here.
        DecryptionError, SerializationError: what is stored cannot be read.
    """
    if run.key_id and not decrypt:
        hidden = mark(run.key_id)
        async for chunk in client.streams.sealed(run.id, name, part):
            yield msgspec.structs.replace(chunk, value=hidden)
        return
    async for chunk in client.streams.read(run.id, name, part, loads=_bare):
        yield chunk


def chunk_data(chunk: StreamChunk) -> dict[str, Any]:
    """Return a chunk as JSON data."""
    return {
        "index": chunk.index,
        "value": readable(chunk.value) if isinstance(chunk.value, bytes) else chunk.value,
        "writer": chunk.writer,
        "attempt": chunk.attempt or None,
        "is_last_attempt": chunk.is_last_attempt,
        "at": iso(chunk.at),
    }


def stream_data(info: StreamInfo) -> dict[str, Any]:
    """Return a stream as JSON data."""
    facts = msgspec.structs.asdict(info)
    return {**facts, "created_at": iso(info.created_at), "written_at": iso(info.written_at)}


def _bare(body: bytes) -> Any:
    return readable(bare.loads(body))
