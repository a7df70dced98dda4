"""How values are shown in the texts of errors."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

_SHOWN_BYTES: Final = 50


def plain_number(value: float) -> str:
    """Return a float without an exponent and without a fraction of zero."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  # NaN differs from itself
        return "NaN" if value != value else "inf" if value > 0 else "-inf"  # noqa: PLR0124  # as above
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def shown(value: Any) -> str:
    """Return what stands for any value: its repr, or what can be said of one whose repr fails."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  # whatever a class of the author's raises
        return f"<unprintable {type(value).__qualname__} object>"


def shortened(text: str, limit: int = _SHOWN_BYTES) -> str:
    """Return a text that is longer than some bytes without its middle."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= limit:
        return text
    middle = -(-limit // 2)
    head, tail = data[:middle], data[len(data) - (middle - 1) :]
    return f"{head.decode('utf-8', 'ignore')}...{tail.decode('utf-8', 'ignore')}"
