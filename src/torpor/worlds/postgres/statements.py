"""Statements: what is said to a server, and with which values."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Any, Final

Row = tuple[Any, ...]

Values = Any
"""Of the placeholders of a statement: a sequence, or a mapping where they have names."""

Statement = tuple[str, Values]
"""SQL whose placeholders are ``%s`` or ``%(name)s``, and their values; ``%%`` is a percent sign."""

_PLACEHOLDER: Final = re.compile(r"%(?:\((\w+)\))?([s%])")


@lru_cache(maxsize=2048)
def numbered(query: str) -> tuple[str, tuple[str, ...] | None]:
    """Return a statement with placeholders as the server numbers them, and their names if they have any."""
    count = itertools.count(1)
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name, kind = found.groups()
        if kind == "%":
            return "%"
        if name is None:
            return f"${next(count)}"
        return f"${names.setdefault(name, len(names) + 1)}"

    text = _PLACEHOLDER.sub(number, query)
    return text, tuple(names) or None


def in_order(values: Values, names: tuple[str, ...] | None) -> Any:
    """Return the values of a statement in the order of its numbers."""
    return values if names is None else [values[name] for name in names]
