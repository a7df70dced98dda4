"""
The codec inside the Python guest: the same table, walks and types as on the host, with the standard library's JSON.

The guest's half of this package is what this module imports, directly or not, and :mod:`torpor.codec.typing`. None of
it needs more than the standard library, and none of it may import the host's half: ``torpor.codec`` itself,
:mod:`~torpor.codec.bare`, :mod:`~torpor.codec.wire.envelope`, :mod:`~torpor.codec.wire.devalue` and
:mod:`torpor.codec.crypto`. A test imports it alone and keeps the list.
"""

from __future__ import annotations

from typing import Any

from torpor.clock import SystemClock
from torpor.codec.types.table import standard_table
from torpor.codec.wire.flatten import flatten
from torpor.codec.wire.hydrate import hydrate
from torpor.codec.wire.json_text import flat_of_text, text_of_flat
from torpor.errors import SerializationError

_PREFIX = "devl"
_table = standard_table(SystemClock())


def text_of(value: object, what: str = "") -> str:
    """
    Return the text of a value, which begins with ``devl``.

    Args:
        what: what the value is, such as ``the result of workflow checkout``; an error begins with it.

    Raises:
        SerializationError: it cannot be stored; says which part, why, and what to do.
    """
    try:
        return _PREFIX + text_of_flat(flatten(value, _table))
    except SerializationError as error:
        if what:
            raise SerializationError(f"{what} cannot be stored: {error}") from error
        raise


def value_of(text: str) -> Any:
    """
    Return the value of a text that begins with ``devl``.

    Raises:
        SerializationError: the text is damaged, or of a class that is not here.
    """
    if not text.startswith(_PREFIX):
        raise SerializationError(f"{text[:20]!r} is no codec text; it would begin with {_PREFIX!r}")
    return hydrate(flat_of_text(text[len(_PREFIX) :]), _table)
