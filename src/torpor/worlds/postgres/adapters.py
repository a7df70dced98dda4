"""
How values travel: integers as ``bigint``, whatever their size, and texts with a character that Postgres has not.

Postgres stores every character but U+0000, which workflow code may well have in a name or a message. In its place
stands a character of the private use area and a digit, and so does that character itself.
"""

from __future__ import annotations

from typing import Final

from psycopg import Connection
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumperUnknown, TextBinaryLoader, TextLoader

_MARK: Final = "\ue000"
_TO_STORE: Final = str.maketrans({"\0": f"{_MARK}0", _MARK: f"{_MARK}1"})


def stored(text: str) -> str:
    """Return a text as it is stored."""
    return text.translate(_TO_STORE) if "\0" in text or _MARK in text else text


def read(text: str) -> str:
    """Return the text that is stored as *text*."""
    return text.replace(f"{_MARK}0", "\0").replace(f"{_MARK}1", _MARK) if _MARK in text else text


class _TextDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(stored(obj))


class _TextLoader(TextLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        return read(text) if isinstance(text, str) else text


class _TextBinaryLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        return read(text) if isinstance(text, str) else text


def adapt(context: AdaptContext | Connection) -> None:
    """Let a connection send and receive values as said above."""
    adapters: AdaptersMap = context.adapters
    adapters.register_dumper(int, Int8BinaryDumper)  # one type, so that one prepared statement does for all sizes
    adapters.register_dumper(str, _TextDumper)
    adapters.register_loader("text", _TextLoader)
    adapters.register_loader("text", _TextBinaryLoader)
