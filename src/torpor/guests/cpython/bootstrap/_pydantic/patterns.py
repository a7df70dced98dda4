"""
Patterns of texts.

pydantic's own are those of Rust's crate ``regex``. What both languages read alike is translated to Python's; the rest
is refused when the model is defined. Classes such as ``\\w`` are not quite the same beyond ASCII, so a pattern with one
refuses other texts.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from .building import refuse
from .errors import SchemaError

_SAME: Final = "dDwWbBAntrfv"
"""Letters that mean the same after a backslash, of ASCII texts."""

_OF_CLASSES: Final = "dDwWbB"
_QUANTIFIER = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
_HEX = re.compile(r"x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}")
_GROUP = re.compile(r"\((?:\?(?:P?<([A-Za-z_][A-Za-z0-9_]*)>|:))?")
_SPACES: Final = r"\t-\r "


class Pattern:
    """
    A pattern that texts are searched for.

    Attributes:
        text: as the author wrote it.
    """

    __slots__ = ("_compiled", "_is_of_ascii", "text")

    def __init__(self, pattern: Any, engine: str, place: str) -> None:
        if isinstance(pattern, re.Pattern):
            self.text, self._compiled, self._is_of_ascii = pattern.pattern, pattern, False
            return
        if not isinstance(pattern, str):
            raise SchemaError(f"Invalid pattern, must be str or re.Pattern: {pattern}")
        self.text = pattern
        if engine == "python-re":
            self._compiled, self._is_of_ascii = re.compile(pattern), False
        elif engine == "rust-regex":
            translated = _Translation(pattern, place)
            self._compiled, self._is_of_ascii = re.compile(translated.text), translated.is_of_ascii
        else:
            raise SchemaError(f"Invalid regex engine: {engine}")

    def matches(self, text: str) -> bool:
        """Tell whether it is found in a text."""
        if self._is_of_ascii and not text.isascii():
            refuse(f"a text beyond ASCII by the pattern {self.text!r}")
        return self._compiled.search(text) is not None


class _Translation:
    """A pattern of Rust's as one of Python's, read from left to right."""

    def __init__(self, pattern: str, place: str) -> None:
        self._pattern, self._place = pattern, place
        self.is_of_ascii = False
        self._at = 0
        parts = []
        while self._at < len(pattern):
            parts.append(self._next())
        self.text = "".join(parts)

    def _next(self) -> str:
        character = self._pattern[self._at]
        if character == "\\":
            return self._escaped()
        if character == "[":
            return self._class()
        if character == "(":
            found = _GROUP.match(self._pattern, self._at)
            if found is None or (found.group() == "(" and self._pattern.startswith("(?", self._at)):
                self._refuse()
            self._at = found.end()
            return f"(?P<{found[1]}>" if found[1] else found.group()
        if character in "*+?{":
            found = _QUANTIFIER.match(self._pattern, self._at)
            if found is None or self._pattern[found.end() : found.end() + 1] in ("*", "+", "?", "{"):
                self._refuse()
            self._at = found.end()
            return found.group()
        self._at += 1
        return r"\Z" if character == "$" else "\\}" if character == "}" else character

    def _escaped(self) -> str:
        letter = self._pattern[self._at + 1 : self._at + 2]
        if (found := _HEX.match(self._pattern, self._at + 1)) is not None:
            self._at = found.end()
            return "\\" + found.group()
        self._at += 2
        if letter and letter in "sS":
            self.is_of_ascii = True
            return f"[{'^' if letter == 'S' else ''}{_SPACES}]"
        if letter == "z":
            return r"\Z"
        if letter and letter in _SAME:
            self.is_of_ascii |= letter in _OF_CLASSES
            return "\\" + letter
        if not letter or letter.isalnum() or not letter.isascii() or letter in ("<", ">"):
            self._refuse()
        return re.escape(letter)

    def _class(self) -> str:
        parts, self._at = ["["], self._at + 1
        if self._pattern.startswith("^", self._at):
            parts.append("^")
            self._at += 1
        if self._pattern.startswith("]", self._at):
            self._refuse()
        while True:
            character = self._pattern[self._at : self._at + 1]
            if not character or character == "[" or self._pattern[self._at : self._at + 2] in ("&&", "--", "~~", "||"):
                self._refuse()
            if character == "]":
                self._at += 1
                return "".join((*parts, "]"))
            if character == "\\":
                escaped = self._escaped()
                if escaped.startswith("[^") or escaped in (r"\b", r"\B", r"\A", r"\Z"):
                    self._refuse()
                parts.append(escaped.strip("[]") if escaped == f"[{_SPACES}]" else escaped)
            else:
                parts.append(character)
                self._at += 1

    def _refuse(self) -> NoReturn:
        refuse(f"a text by the pattern {self._pattern!r}, at position {self._at},", self._place)
