"""
JSON that is read: Python's own reader does it, and what it cannot read is looked at again to say what is wrong.

The words, and the places that they speak of, are those of pydantic's reader. It also refuses what Python's takes:
halves of surrogate pairs, and arrays and objects that are nested too deeply.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from .errors import invalid

DEPTH_MAX: Final = 200
_DIGITS_MAX: Final = 4300

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BLANK = b" \r\t\n"


class Malformed(ValueError):  # noqa: N818  # internal
    """A text is no JSON; says why and where."""


def read_json(data: bytes) -> Any:
    """
    Return the value of a JSON text.

    Raises:
        Malformed: it is none.
    """
    try:
        text = data.decode()
        value = json.loads(text)
        is_suspect = text.count("[") + text.count("{") > DEPTH_MAX or _SURROGATE.search(text) is not None
    except (ValueError, RecursionError):
        value, is_suspect = None, True
    if is_suspect:
        _Scanner(data).check()
    return value


def json_value(value: Any, source: Any) -> Any:
    """Return the value of a JSON text, whatever holds it; *source* is what failures show."""
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise invalid("string_unicode", source) from None
    elif isinstance(value, bytes | bytearray):
        data = bytes(value)
    else:
        raise invalid("json_type", source)
    try:
        return read_json(data)
    except Malformed as problem:
        words = str(problem)
    raise invalid("json_invalid", source, error=words)


class _Scanner:
    """Walks over a text as far as it is JSON."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._depth = data, 0, DEPTH_MAX

    def check(self) -> None:
        """Raise Malformed for what is wrong first."""
        self._value()
        if self._blank() is not None:
            self._fail("trailing characters", self._at)

    def _fail(self, words: str, at: int) -> NoReturn:
        before = self._data[: at + 1]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1)
        raise Malformed(f"{words} at line {line} column {column}")

    def _blank(self) -> int | None:
        """Skip white space; return the next byte, None at the end."""
        while self._at < len(self._data) and self._data[self._at] in _BLANK:
            self._at += 1
        return self._data[self._at] if self._at < len(self._data) else None

    def _value(self) -> None:
        following = self._blank()
        if following is None:
            self._fail("EOF while parsing a value", self._at)
        match chr(following):
            case "{":
                self._nested(self._object)
            case "[":
                self._nested(self._array)
            case '"':
                self._string()
            case "t":
                self._word(b"true")
            case "f":
                self._word(b"false")
            case "n":
                self._word(b"null")
            case "N":
                self._word(b"NaN")
            case "I":
                self._word(b"Infinity")
            case character if character in "-0123456789":
                self._number()
            case _:
                self._fail("expected value", self._at)

    def _nested(self, walk: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._fail("recursion limit exceeded", self._at)
        self._at += 1
        walk()
        self._depth += 1

    def _word(self, word: bytes) -> None:
        for place, byte in enumerate(word):
            if self._at + place >= len(self._data):
                self._fail("EOF while parsing a value", self._at + place)
            if self._data[self._at + place] != byte:
                self._fail("expected ident", self._at + place)
        self._at += len(word)

    def _array(self) -> None:
        following = self._blank()
        if following is None:
            self._fail("EOF while parsing a list", self._at)
        if following == ord("]"):
            self._at += 1
            return
        while True:
            self._value()
            following = self._blank()
            if following is None:
                self._fail("EOF while parsing a list", self._at)
            if following == ord("]"):
                self._at += 1
                return
            if following != ord(","):
                self._fail("expected `,` or `]`", self._at)
            self._at += 1
            if self._blank() == ord("]"):
                self._fail("trailing comma", self._at)

    def _object(self) -> None:
        following = self._blank()
        if following is None:
            self._fail("EOF while parsing an object", self._at)
        if following == ord("}"):
            self._at += 1
            return
        while True:
            if following != ord('"'):
                self._fail("key must be a string", self._at)
            self._string()
            following = self._blank()
            if following is None:
                self._fail("EOF while parsing an object", self._at)
            if following != ord(":"):
                self._fail("expected `:`", self._at)
            self._at += 1
            self._value()
            following = self._blank()
            if following is None:
                self._fail("EOF while parsing an object", self._at)
            if following == ord("}"):
                self._at += 1
                return
            if following != ord(","):
                self._fail("expected `,` or `}`", self._at)
            self._at += 1
            following = self._blank()
            if following is None:
                self._fail("EOF while parsing a value", self._at)
            if following == ord("}"):
                self._fail("trailing comma", self._at)

    def _number(self) -> None:
        start = self._at
        if self._data[self._at] == ord("-"):
            self._at += 1
            self._need_digit(b"0123456789I")
            if self._data[self._at] == ord("I"):
                self._word(b"Infinity")
                return
        if self._data[self._at] == ord("0"):
            self._at += 1
            if self._peek(b"0123456789"):
                self._fail("invalid number", self._at)
        else:
            self._digits()
            if self._at - start > _DIGITS_MAX:
                self._fail("number out of range", start + _DIGITS_MAX + 1)
        if self._peek(b"."):
            self._at += 1
            self._need_digit(b"0123456789")
            self._digits()
        if self._peek(b"eE"):
            self._at += 1
            if self._peek(b"+-"):
                self._at += 1
            self._need_digit(b"0123456789")
            self._digits()

    def _peek(self, wanted: bytes) -> bool:
        return self._at < len(self._data) and self._data[self._at] in wanted

    def _need_digit(self, wanted: bytes) -> None:
        if self._at >= len(self._data):
            self._fail("EOF while parsing a value", self._at)
        if self._data[self._at] not in wanted:
            self._fail("invalid number", self._at)

    def _digits(self) -> None:
        while self._peek(b"0123456789"):
            self._at += 1

    def _string(self) -> None:
        start = self._at = self._at + 1
        decoded = bytearray()
        while True:
            if self._at >= len(self._data):
                self._fail("EOF while parsing a string", self._at)
            byte = self._data[self._at]
            if byte == ord('"'):
                break
            if byte < 0x20:
                self._fail("control character (\\u0000-\\u001F) found while parsing a string", self._at)
            if byte == ord("\\"):
                self._at += 1
                decoded += self._escape()
            else:
                decoded.append(byte)
                self._at += 1
        self._at += 1
        try:
            decoded.decode()
        except UnicodeDecodeError as problem:
            self._fail("invalid unicode code point", start + problem.start + 1)

    def _escape(self) -> bytes:
        if self._at >= len(self._data):
            self._fail("EOF while parsing a string", self._at)
        byte = self._data[self._at]
        if byte != ord("u"):
            if byte not in b'"\\/bfnrt':
                self._fail("invalid escape", self._at)
            self._at += 1
            return b"?"
        number = self._hex()
        if 0xDC00 <= number <= 0xDFFF:
            self._fail("lone leading surrogate in hex escape", self._at - 1)
        if 0xD800 <= number <= 0xDBFF:
            self._low_half()
            return b"????"
        return chr(number).encode()

    def _low_half(self) -> None:
        following = self._data[self._at : self._at + 2]
        if following == b"\\u":
            self._at += 1
            if not 0xDC00 <= self._hex() <= 0xDFFF:
                self._fail("lone leading surrogate in hex escape", self._at - 1)
        elif len(following) == 2:
            self._fail("unexpected end of hex escape", self._at + following.startswith(b"\\"))
        elif following in (b"\\", b""):
            self._fail("EOF while parsing a string", len(self._data))
        else:
            self._fail("unexpected end of hex escape", self._at)

    def _hex(self) -> int:
        """Take ``uXXXX``."""
        digits = self._data[self._at + 1 : self._at + 5]
        if len(digits) < 4:
            self._fail("EOF while parsing a string", len(self._data))
        for place, digit in enumerate(digits, self._at + 1):
            if digit not in b"0123456789abcdefABCDEF":
                self._fail("invalid escape", place)
        self._at += 5
        return int(digits, 16)
