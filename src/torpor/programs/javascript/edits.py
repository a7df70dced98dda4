"""Changes to a text that leave every line, and wherever possible every column, where it is."""

from __future__ import annotations

from typing import Final

_BREAKS: Final = "\n\r\u2028\u2029"


class Edits:
    """
    Changes to one text; places are byte offsets in its UTF-8.

    Args:
        text: what is changed.

    Attributes:
        data: its bytes.
    """

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self._gone = bytearray(len(self.data))  # 1 where a space takes a byte's place, 2 where nothing does
        self._put: dict[int, str] = {}
        self._inserted: dict[int, list[str]] = {}

    def blank(self, start: int, end: int) -> None:
        """Replace what stands there by spaces; line breaks stay."""
        self._gone[start:end] = b"\1" * (end - start)

    def drop(self, start: int, end: int) -> None:
        """Remove what stands there, so that the rest of the line moves; line breaks stay."""
        self._gone[start:end] = b"\2" * (end - start)

    def put(self, at: int, character: str) -> None:
        """Write a character in the place of a blanked one, which is no line break."""
        while 0x80 <= self.data[at] < 0xC0:  # inside a character of several bytes
            at -= 1
        self._put[at] = character

    def insert(self, at: int, text: str) -> None:
        """Write a text before what stands there, behind what was inserted there earlier."""
        self._inserted.setdefault(at, []).append(text)

    def replace(self, start: int, end: int, text: str) -> None:
        """Write a text instead of what stands there; line breaks stay behind it."""
        self.insert(start, text)
        self.drop(start, end)

    def is_blank(self, at: int) -> bool:
        """Tell whether a space takes this byte's place, which another character may then take."""
        return self._gone[at] == 1 and at not in self._put and self.data[at] not in b"\r\n" and self.data[at] < 0x80

    def first_blank(self, start: int, end: int) -> int | None:
        """Return the first place between two where a character can be put, None without one."""
        return next((at for at in range(start, end) if self.is_blank(at)), None)

    def is_kept(self, at: int) -> bool:
        """Tell whether this byte stays."""
        return self._gone[at] == 0

    def breaks_within(self, start: int, end: int) -> bool:
        """Tell whether there is a line break between two places."""
        return b"\n" in self.data[start:end]

    def text(self) -> str:
        """Return the changed text."""
        parts: list[str] = []
        at = 0
        for character in self.data.decode():
            parts += self._inserted.get(at, ())
            gone = self._gone[at]
            if gone == 0 or character in _BREAKS:
                parts.append(character)
            elif at in self._put:
                parts.append(self._put[at])
            elif gone == 1:
                parts.append("\t" if character == "\t" else " ")
            at += len(character.encode())
        parts += self._inserted.get(at, ())
        return "".join(parts)
