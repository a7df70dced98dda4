"""
Chunks of streams as they are stored: frames, and what authenticates them beside.

A frame is the TypeScript Workflow SDK's: four bytes that say how long the rest is, the most significant one first, then
one enveloped value, which is not compressed, or raw bytes. In an encrypted run the value is encrypted as all payloads
are (``encr``), which the SDK reads; so are raw bytes, which the SDK leaves plain and therefore does not read.

A tag says of a frame that a holder of the run's key has written it, in this stream, as this writer's and attempt's
chunk number so and so: somebody who may only write the database can neither change, move, repeat nor leave out a chunk
between two others of its writer, nor end a stream. It stands beside the frame, so that no byte of the frame differs.
"""

from __future__ import annotations

import hmac
import json

from torpor.codec.crypto.run_codec import RunCodec
from torpor.errors import DecryptionError, SerializationError
from torpor.limits import FRAME_BYTES_MAX

HEADER_BYTES = 4
_TAG_BYTES = 16
_PURPOSE = b"torpor/stream/v1"

assert FRAME_BYTES_MAX < 1 << 8 * HEADER_BYTES, "a header has room for the length"


def frame(body: bytes) -> bytes:
    """Return the frame around an enveloped value, or raw bytes."""
    return len(body).to_bytes(HEADER_BYTES) + body


def body_of(data: bytes) -> bytes:
    """
    Return what is in a frame.

    Raises:
        SerializationError: its header does not say how long it is.
    """
    length = int.from_bytes(data[:HEADER_BYTES])
    if len(data) - HEADER_BYTES != length:
        raise SerializationError(f"a frame says that {length} bytes follow, and {len(data) - HEADER_BYTES} do")
    return data[HEADER_BYTES:]


def bodies_of(data: bytes) -> list[bytes]:
    """
    Return what is in the frames of what the SDK writes, one or several. The SDK writes the bytes of a response that is
    itself written to a stream without frames; they are what they are.
    """
    found = []
    at = 0
    while at < len(data):
        end = at + HEADER_BYTES + int.from_bytes(data[at : at + HEADER_BYTES])
        if end > len(data):
            return [data]
        found.append(body_of(data[at:end]))
        at = end
    return found


class Place:
    """
    Where a writer's chunks stand, and how that is authenticated.

    Args:
        run_codec: the run's.
        stream: stored name of the stream.
        writer, attempt: who writes.
    """

    def __init__(self, run_codec: RunCodec, stream: str, writer: str, attempt: int) -> None:
        self._run_codec = run_codec
        self._about = [stream, writer, attempt]

    def tag(self, n: int, data: bytes) -> bytes:
        """Return what authenticates frame number *n* of the writer; empty in a run that is not encrypted."""
        return self._tag("chunk", n, data)

    def end_tag(self, n: int) -> bytes:
        """Return what authenticates the end of the stream behind *n* chunks of the writer."""
        return self._tag("end", n, b"")

    def check(self, n: int, data: bytes, tag: bytes) -> None:
        """
        Check a frame.

        Raises:
            DecryptionError: it is not the writer's chunk number *n*.
        """
        self._check(f"chunk {n}", self.tag(n, data), tag)

    def check_end(self, n: int, tag: bytes) -> None:
        """
        Check the end of the stream.

        Raises:
            DecryptionError: the writer has not ended it there.
        """
        self._check("the end", self.end_tag(n), tag)

    def _tag(self, kind: str, n: int, data: bytes) -> bytes:
        if not self._run_codec.key_id:
            return b""
        about = json.dumps([kind, *self._about, n]).encode()  # which has no line break
        return self._run_codec.authenticate(_PURPOSE, about + b"\n" + data, _TAG_BYTES)

    def _check(self, what: str, wanted: bytes, found: bytes) -> None:
        if not hmac.compare_digest(wanted, found):
            stream, writer, attempt = self._about
            raise DecryptionError(
                f"stream {stream}: {what} by {writer}, attempt {attempt}, was not written there by a holder of the "
                "run's key: it was changed, moved or made by somebody else"
            )
