"""Answers of bounded size: a model that asks for a run gets what it can read, and is told what was left out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

TEXT_CHARS_MAX: Final = 2_000
"""A text in an answer."""

ITEMS_MAX: Final = 100
"""Items of a list, and fields of an object."""

DEPTH_MAX: Final = 12

ANSWER_BYTES_MAX: Final = 64 * 1024
"""An answer as JSON."""


def bounded(value: Any) -> dict[str, Any]:
    """
    Return an answer without what is null, with long texts and lists cut short, each of which says so, and in all no
    more than fits.
    """
    for texts, items in ((TEXT_CHARS_MAX, ITEMS_MAX), (200, 50), (80, 20), (40, 5)):
        cut: dict[str, Any] = _cut(msgspec.to_builtins(value), texts, items, DEPTH_MAX)
        if len(msgspec.json.encode(cut)) <= ANSWER_BYTES_MAX:
            return cut
    return {"left_out": f"the answer has more than {ANSWER_BYTES_MAX} bytes; ask for less, with limit and after"}


def _cut(value: Any, texts: int, items: int, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= texts else f"{value[:texts]}… ({len(value) - texts} more characters)"
    if not isinstance(value, dict | list | tuple):
        return value
    if not depth:
        return "… (nested deeper)"
    if isinstance(value, dict):
        told = {name: each for name, each in value.items() if each is not None}
        kept = {name: _cut(each, texts, items, depth - 1) for name, each in list(told.items())[:items]}
        return kept if len(told) <= items else {**kept, "…": f"{len(told) - items} more fields"}
    cut = [_cut(each, texts, items, depth - 1) for each in value[:items]]
    return cut if len(value) <= items else [*cut, f"… ({len(value) - items} more)"]
