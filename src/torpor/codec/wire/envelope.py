"""
The envelope: four ASCII characters that say what the bytes behind them are.

``devl`` is devalue text. ``zstd`` and ``gzip`` wrap what they compress, which for payloads is again an envelope, so
that layers nest outwards: ``zstd(devl(value))``. Opening peels layers off until it meets text.
"""

from __future__ import annotations

import re
import zlib
from threading import local

import zstandard

from torpor.errors import LimitExceededError, SerializationError
from torpor.limits import MIB, PAYLOAD_BYTES_MAX, SNAPSHOT_BYTES_MAX

DEVALUE = b"devl"
ZSTD = b"zstd"
GZIP = b"gzip"

COMPRESS_FROM_BYTES = 1024
"""Text of this size, prefix included, is compressed …"""

COMPRESSED_PART_MAX = 0.95
"""… if no more than this part of it remains."""

TEXT_LEVEL = 3
"""zstd level of payloads; the wire format names it."""

BINARY_LEVEL = 1
"""zstd level of snapshots: level 3 takes a quarter more time and gains a hundredth, level -1 loses an eighth."""

LAYERS_MAX = 4
"""Layers around one text; no writer needs more than one of each kind."""

_BELIEVED_BYTES = MIB
"""A size that a header may claim and get at once; more is given only as the content comes."""

_WINDOW_BYTES_MAX = 16 * MIB
"""What a writer may look back; a header that asks for more is refused. Levels 1 to 19 of zstd take 8 MiB at most."""

_FRAME_HEADER_BYTES_MAX = 18

_SLICE_BYTES = 256  # unpacks to no more than 8 MiB at once, 128 KiB for every four bytes

_PREFIX = re.compile(rb"[a-z0-9]{4}")
_KNOWN = ", ".join(prefix.decode() for prefix in (DEVALUE, ZSTD, GZIP))


class _Zstd(local):
    """Compressors of one thread: they are costly to make and not safe to share."""

    def __init__(self) -> None:
        self.text = zstandard.ZstdCompressor(level=TEXT_LEVEL)
        self.binary = zstandard.ZstdCompressor(level=BINARY_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)


_zstd = _Zstd()


def pack(text: bytes, *, compress: bool = True) -> bytes:
    """
    Return the envelope of a devalue text that carries its ``devl`` prefix, compressed where that saves something.

    Raises:
        LimitExceededError: the text is larger than :data:`torpor.limits.PAYLOAD_BYTES_MAX`.
    """
    if len(text) < COMPRESS_FROM_BYTES:
        return text
    if len(text) > PAYLOAD_BYTES_MAX:
        raise LimitExceededError(
            f"the serialized value has {len(text):,} bytes, the limit for one payload is {PAYLOAD_BYTES_MAX:,}; "
            "store large data elsewhere and pass a reference to it"
        )
    if not compress:
        return text
    compressed = ZSTD + _zstd.text.compress(text)
    return compressed if len(compressed) < COMPRESSED_PART_MAX * len(text) else text


def unpack(data: bytes) -> bytes:
    """
    Return the devalue text inside an envelope, with its ``devl`` prefix.

    Raises:
        SerializationError: no prefix, one that this version does not know, or damaged data.
        LimitExceededError: the text is larger than :data:`torpor.limits.PAYLOAD_BYTES_MAX`.
    """
    for _ in range(LAYERS_MAX):
        if data.startswith(DEVALUE):
            if len(data) > PAYLOAD_BYTES_MAX:
                raise _too_large(PAYLOAD_BYTES_MAX)
            return data
        data = _peel(data, PAYLOAD_BYTES_MAX)
    raise SerializationError(f"the payload has more than {LAYERS_MAX} layers around its text")


def content_bytes(data: bytes) -> int | None:
    """Return how many bytes are inside the outermost layer of an envelope, None where only opening it would tell."""
    if data.startswith(DEVALUE):
        return len(data)
    if not data.startswith(ZSTD):
        return None
    try:
        size = zstandard.frame_content_size(data[len(ZSTD) : len(ZSTD) + _FRAME_HEADER_BYTES_MAX])
    except zstandard.ZstdError:
        return 0  # it cannot be opened either
    return None if size < 0 else size


def pack_binary(data: bytes) -> bytes:
    """Return the envelope of raw bytes, such as a snapshot or an image: always compressed."""
    return ZSTD + _zstd.binary.compress(data)


def unpack_binary(data: bytes, most: int = SNAPSHOT_BYTES_MAX) -> bytes:
    """
    Return the raw bytes that :func:`pack_binary` was given.

    Raises:
        SerializationError: another prefix, or damaged data.
        LimitExceededError: more than *most* bytes.
    """
    return _peel(data, most)


def _peel(data: bytes, limit: int) -> bytes:
    """Return what is inside the outermost layer."""
    prefix, body = data[: len(ZSTD)], data[len(ZSTD) :]
    match prefix:
        case b"zstd":
            return _unzstd(body, limit)
        case b"gzip":
            return _gunzip(body, limit)
        case b"encr" | b"encp":
            raise SerializationError(f"the data is encrypted ({prefix.decode()}), and there is no key to open it with")
    if _PREFIX.fullmatch(prefix):
        raise SerializationError(
            f"the data has the format {prefix.decode()!r}, which this version cannot read ({_KNOWN}); "
            "it was probably written by a newer version"
        )
    raise SerializationError(
        f"the data begins with {prefix!r}, which is no format prefix; it is damaged or not Torpor's"
    )


def _unzstd(body: bytes, limit: int) -> bytes:
    try:
        size = zstandard.frame_content_size(body)
        if size > limit:
            raise _too_large(limit)
        if 0 <= size <= _BELIEVED_BYTES:
            return _zstd.decompressor.decompress(body, allow_extra_data=False)
        data = _unzstd_stream(body, limit)
    except zstandard.ZstdError as error:
        raise SerializationError(f"zstd data is damaged: {error}") from error
    if size >= 0 and len(data) != size:
        raise SerializationError(f"zstd data is damaged: it has {len(data):,} bytes, its header says {size:,}")
    return data


def _unzstd_stream(body: bytes, limit: int) -> bytes:
    """Return the content of a frame whose header does not tell its size, or cannot be believed before it is seen."""
    inflater = _zstd.decompressor.decompressobj()
    data = bytearray()
    at = 0
    while at < len(body) and not inflater.eof:
        data += inflater.decompress(body[at : at + _SLICE_BYTES])
        at += _SLICE_BYTES
        if len(data) > limit:
            raise _too_large(limit)
    if not inflater.eof or at < len(body) or inflater.unused_data:
        raise SerializationError("zstd data is damaged: it is cut short, or something follows it")
    return bytes(data)


def _gunzip(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise SerializationError(f"gzip data is damaged: {error}") from error
    if len(data) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise SerializationError("gzip data is damaged: it is cut short, or something follows it")
    return data


def _too_large(limit: int) -> LimitExceededError:
    return LimitExceededError(f"the data unpacks to more than the limit of {limit:,} bytes; it was not unpacked")
