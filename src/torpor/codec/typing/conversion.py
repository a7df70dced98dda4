"""What a converter is, and how it tells that a value does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

Converter = Callable[[Any], Any]
"""Value → the value as an annotation wants it, the very same object if it fits already; raises :class:`Unfit`."""

ConverterOf = Callable[[Any], Converter]
"""Annotation → what converts to it."""


class Unfit(Exception):  # noqa: N818  # no error of ours: it becomes an ArgumentError, or the next arm of a union
    """
    A value does not fit an annotation.

    Attributes:
        told: what was expected and what was found.
        path: where, such as ``.items[0]``; whoever converts a container puts its own step in front.
    """

    def __init__(self, told: str, path: str = "") -> None:
        super().__init__(told)
        self.told = told
        self.path = path

    def inside(self, step: str) -> Unfit:
        """Return the same for the container that holds the value at *step*."""
        self.path = f"{step}{self.path}"
        return self


def unfit(expected: str, value: object, why: str = "") -> Unfit:
    """Return the complaint that something else was expected."""
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:57]}…"
    return Unfit(f"expected {expected}, found {type(value).__qualname__} {shown}{f' ({why})' if why else ''}")


def name_of(annotation: Any) -> str:
    """Return an annotation as its author would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__qualname__
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", str(annotation))
