"""A workflow that does nothing but encode or decode."""

from __future__ import annotations

from torpor.codec.guest import text_of, value_of


async def repeat(way: str, times: int, value: object) -> None:
    """Encode a value, or decode its text, so many times."""
    text = text_of(value)
    for _ in range(times):
        if way == "encode":
            text_of(value)
        else:
            value_of(text)
