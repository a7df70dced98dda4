"""
Zip files that are the same wherever they are made.

Compressors differ between machines, and so do the bytes that they make. What is compressed already is taken over as
it is, and everything else is stored plainly: wheels and worlds compress it anyway.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_VERSION: Final = 20
_MADE_ON_UNIX: Final = 3 << 8 | _VERSION
_FIRST_OF_1980: Final = 1 << 5 | 1
_READABLE: Final = 0o100644 << 16


class _Entry(NamedTuple):
    """A file: its name, how it is packed, its checksum and size, and what it is packed as."""

    name: str
    method: int
    crc: int
    size: int
    packed: bytes


def zip_of(files: dict[str, bytes]) -> bytes:
    """Return a zip of these files, which are not compressed."""
    return _zip(_Entry(name, zipfile.ZIP_STORED, zlib.crc32(data), len(data), data) for name, data in files.items())


def zip_with(archive: bytes, stays: Callable[[str], bool]) -> bytes:
    """Return a zip of those files of another one whose names stay, packed as they are there."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entries = [info for info in opened.infolist() if stays(info.filename)]
    return _zip(_Entry(e.filename, e.compress_type, e.CRC, e.file_size, _packed(archive, e)) for e in entries)


def _packed(archive: bytes, entry: zipfile.ZipInfo) -> bytes:
    *_, name_bytes, extra_bytes = _LOCAL.unpack_from(archive, entry.header_offset)
    begin = entry.header_offset + _LOCAL.size + name_bytes + extra_bytes
    return archive[begin : begin + entry.compress_size]


def _zip(entries: Iterable[_Entry]) -> bytes:
    out, directory, count = bytearray(), bytearray(), 0
    for name, method, crc, size, packed in sorted(entries):
        title = name.encode("ascii")
        common = (_VERSION, 0, method, 0, _FIRST_OF_1980, crc, len(packed), size, len(title), 0)
        directory += _CENTRAL.pack(b"PK\1\2", _MADE_ON_UNIX, *common, 0, 0, 0, _READABLE, len(out)) + title
        out += _LOCAL.pack(b"PK\3\4", *common) + title + packed
        count += 1
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(out), 0)
    return bytes(out + directory + end)
