"""What a run says of itself to those who look at it from outside."""

from __future__ import annotations

from torpor.attributes import STATUS, Attributes, check_write
from torpor.errors import ArgumentError

from .run import run


def set_attributes(attributes: Attributes) -> None:
    """
    Say something of this run in plain text, so that people find it by that.

    Args:
        attributes: texts by name; None takes one away. See :mod:`torpor.attributes` for bounds.

    Raises:
        ArgumentError: they are no texts, or are reserved.
        LimitExceededError: they are too long.
    """
    _write(check_write(attributes))


def set_status(text: str) -> None:
    """
    Say in plain text how this run stands, for lists of runs; ``""`` for nothing.

    Raises:
        ArgumentError: it is no text.
        LimitExceededError: it has more than 256 bytes.
    """
    if not isinstance(text, str):
        raise ArgumentError(f"set_status takes a text, not {text!r:.100}")
    _write(check_write({STATUS: text or None}, reserved=True))


def _write(attributes: dict[str, str | None]) -> None:
    if attributes:
        run.emit("attributes", None, attributes=attributes)
