"""
Attributes: what is said of a run in plain text, so that people find it by them.

Both are strings, and the bounds are those of the TypeScript Workflow SDK. Names that begin with ``$`` are Torpor's own:
:data:`PARENT` and :data:`ROOT` name the runs that a run descends from, :data:`STATUS` is its status line,
:data:`FORKED` says of a fork from which run and place it is: ``wrun_…@17``, :data:`TRACE` in which trace
it was started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torpor.errors import ArgumentError, LimitExceededError

PARENT: Final = "$parentRunId"
ROOT: Final = "$rootRunId"
STATUS: Final = "$status"
FORKED: Final = "$forkedFrom"
TRACE: Final = "$traceparent"
TENANT: Final = "$tenant"
"""Whose run it is, see :mod:`torpor.tenants`; the run's id tells it, too."""

LEAVING: Final = "$leavingFor"
"""Where a run is about to go: nothing happens in it until it is there, or stays. See :mod:`torpor.worlds.leaving`."""

MOVED: Final = "$movedTo"
"""Where a run has gone, of which only the name is kept here."""

NAME_CHARS_MAX: Final = 256
VALUE_BYTES_MAX: Final = 256
PER_RUN_MAX: Final = 64
"""Of a run's own; reserved ones are not counted."""

WRITE_BYTES_MAX: Final = 8 * 1024
"""Of the names and values of one write together."""

Attributes = Mapping[str, str | None]
"""A write: None takes an attribute away."""


def check_write(attributes: object, *, reserved: bool = False) -> dict[str, str | None]:
    """
    Return a write of attributes, once it is seen to be one.

    Args:
        attributes: what was given.
        reserved: whether names that begin with ``$`` are allowed.

    Raises:
        ArgumentError: it is no mapping of strings to strings or None, or names what is reserved.
        LimitExceededError: a name, a value or all of it is too long.
    """
    if not isinstance(attributes, Mapping):
        raise ArgumentError(
            f"attributes are a dict of strings, such as {{'customer': 'c-17'}}, not {attributes!r:.100}"
        )
    size = 0
    for name, value in attributes.items():
        if not isinstance(name, str) or not name:
            raise ArgumentError(
                f"the name of an attribute is a text of 1 to {NAME_CHARS_MAX} characters, not {name!r:.100}"
            )
        if value is not None and not isinstance(value, str):
            raise ArgumentError(
                f"attribute {name!r:.100} is a text, or None to take it away, not {value!r:.100}; write it as a text"
            )
        if name.startswith("$") and not reserved:
            raise ArgumentError(f"attribute {name!r:.100}: names that begin with $ are reserved; leave the $ out")
        size += _check_sizes(name, value or "")
    if size > WRITE_BYTES_MAX:
        raise LimitExceededError(f"these attributes have {size} bytes, the limit of one write is {WRITE_BYTES_MAX}")
    return dict(attributes)


def check_total(attributes: Mapping[str, str]) -> None:
    """
    Check that a run has not too many attributes.

    Raises:
        LimitExceededError: it has.
    """
    own = sum(not name.startswith("$") for name in attributes)
    if own > PER_RUN_MAX:
        raise LimitExceededError(
            f"the run would have {own} attributes, the limit is {PER_RUN_MAX}; take some away by setting them to None"
        )


def written(attributes: Mapping[str, str], write: Attributes) -> dict[str, str]:
    """Return the attributes of a run after a write."""
    merged = {**attributes, **write}
    return {name: value for name, value in merged.items() if value is not None}


def _check_sizes(name: str, value: str) -> int:
    """
    Return how many bytes one attribute has.

    Raises:
        LimitExceededError: too many.
    """
    size = len(value.encode("utf-8", "surrogatepass"))
    if len(name) > NAME_CHARS_MAX:
        raise LimitExceededError(
            f"the name of attribute {name[:30]!r}… has {len(name)} characters, the limit is {NAME_CHARS_MAX}"
        )
    if size > VALUE_BYTES_MAX:
        raise LimitExceededError(f"attribute {name!r:.100} has {size} bytes, the limit is {VALUE_BYTES_MAX}")
    return len(name.encode("utf-8", "surrogatepass")) + size
