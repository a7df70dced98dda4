"""
Telling rows that make sense from rows that were damaged, or edited by hand: the one place that says which values no
version has stored.

A table's types hold (they are STRICT), so that what is left is numbers and texts that mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar

from torpor.errors import DamagedError
from torpor.limits import REDELIVERIES_MAX

T = TypeVar("T")

NUMBER_MAX: Final = 2**53 - 1
"""No counter and no time (epoch milliseconds) is larger: guests count no further."""

SEQ_MAX: Final = (1 << 32) - 1
"""The largest seq that a key of the table of events has room for."""

_CLAIMS_MAX: Final = 2 * REDELIVERIES_MAX
_NONSENSE: Final = (LookupError, TypeError, ValueError, OverflowError)


class NonsenseError(ValueError):
    """A value that no version has stored; the message names column and value."""


@contextmanager
def reading(row: str, run_id: str = "") -> Iterator[None]:
    """
    Say of what is read inside the block that it is damaged, if it makes no sense.

    Raises:
        DamagedError: it makes none.
    """
    try:
        yield
    except _NONSENSE as error:
        problem = str(error) if isinstance(error, NonsenseError) else repr(error)
        raise DamagedError(row, problem, run_id=run_id) from error


def coded(codes: Mapping[int, T], code: int, column: str) -> T:
    """
    Return what a code stands for.

    Raises:
        NonsenseError: nothing.
    """
    try:
        return codes[code]
    except KeyError:
        raise NonsenseError(f"its {column} is {code}, which stands for nothing") from None


def check_numbers(numbers: Iterable[int], columns: str, most: int = NUMBER_MAX) -> None:
    """
    Check counters and times.

    Args:
        numbers: the values of *columns*, whose names are separated by spaces.
        columns: for the message.
        most: the largest that any may be.

    Raises:
        NonsenseError: one of them is negative or too large.
    """
    for column, number in zip(columns.split(), numbers, strict=True):
        if not 0 <= number <= most:
            raise NonsenseError(f"its {column} is {number}; it is a number from 0 to {most}")


def check_attempts(attempt: int, failures: int, redeliveries: int) -> None:
    """
    Check how often a step was begun, has failed and was claimed.

    Raises:
        NonsenseError: it cannot be.
    """
    check_redeliveries(max(redeliveries, attempt - failures))


def check_redeliveries(redeliveries: int) -> None:
    """
    Check how often something was claimed in a row; nobody goes on for so long.

    Raises:
        NonsenseError: more often than anybody does.
    """
    if redeliveries > _CLAIMS_MAX:
        raise NonsenseError(f"it was begun {redeliveries} times in a row; nothing is after {REDELIVERIES_MAX}")
