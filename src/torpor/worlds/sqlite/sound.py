"""
Telling rows that make sense from rows that were damaged, or edited by hand: the one place that says which values no
version has stored.

Tables are STRICT, which is looked at when a row is written and not when it is read: a damaged one may hold anything.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from types import UnionType
from typing import Any, Final, TypeVar, get_args

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


class Shape:
    """
    Which types the columns of a row have.

    Args:
        columns: in their order, each with its type: ``int``, ``str``, ``bytes``, or one of these ``| None``.

    Attributes:
        fitting: the rows of types that it admits.
    """

    def __init__(self, **columns: type | UnionType) -> None:
        self._columns = {column: get_args(kind) or (kind,) for column, kind in columns.items()}
        self.fitting = frozenset(itertools.product(*self._columns.values()))

    def fits(self, row: tuple[Any, ...]) -> bool:
        """Return whether all columns of *row* have the types that they should."""
        return tuple(map(type, row)) in self.fitting

    def check(self, row: tuple[Any, ...]) -> None:
        """
        Check the types of a row.

        Raises:
            NonsenseError: one is another.
        """
        if self.fits(row):
            return
        for (column, kinds), value in zip(self._columns.items(), row, strict=True):
            if type(value) not in kinds:
                what = "nothing" if value is None else f"a {type(value).__name__}"
                raise NonsenseError(f"its {column} is {what}; it is {' or '.join(map(_named, kinds))}")


def _named(kind: type) -> str:
    return "nothing" if kind is type(None) else f"a {kind.__name__}"


class reading:  # noqa: N801  # a block, as of a function; there is one for each row, and a generator's costs more
    """
    Say of what is read inside the block that it is damaged, if it makes no sense.

    Raises:
        DamagedError: it makes none.
    """

    __slots__ = ("_row", "_run_id")

    def __init__(self, row: str, run_id: str = "") -> None:
        self._row, self._run_id = row, run_id

    def __enter__(self) -> None:
        """Begin to read."""

    def __exit__(self, _: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, _NONSENSE):
            problem = str(error) if isinstance(error, NonsenseError) else repr(error)
            raise DamagedError(self._row, problem, run_id=self._run_id) from error


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


def check_numbers(numbers: Collection[int], columns: str, most: int = NUMBER_MAX) -> None:
    """
    Check counters and times.

    Args:
        numbers: the values of *columns*, whose names are separated by spaces.
        columns: for the message.
        most: the largest that any may be.

    Raises:
        NonsenseError: one of them is negative or too large.
    """
    if min(numbers) >= 0 and max(numbers) <= most:
        return
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


def check_owner(worker: str | None) -> None:
    """
    Check who has a claim: somebody with a name, or nobody.

    Raises:
        NonsenseError: it is neither.
    """
    if worker == "":
        raise NonsenseError("its worker is a text without characters; it is a worker's id, or nothing")
