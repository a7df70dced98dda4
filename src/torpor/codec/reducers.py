"""
The table of reducers: how a type that JSON lacks becomes a payload that the format can hold, and back.

A reducer is one entry ``name → (matches, encode, decode)``; adding a type is adding an entry. The first entry of a
table that matches a value's class and does not pass encodes it; reading goes by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final
from weakref import WeakSet

from torpor.errors import ConfigurationError


@final
class Pass:
    """What ``encode`` returns to leave a value of a matching class to a later entry."""

    __slots__ = ()


PASS: Final = Pass()


@dataclass(frozen=True, slots=True)
class Reducer:
    """
    One type of the wire format.

    Attributes:
        name: the tag in the text.
        matches: whether values of this class are the entry's; the answer is remembered per class.
        encode: value → payload, made of anything the table can encode; or :data:`PASS`.
        decode: complete payload → value.
        begin: for types that may take part in a cycle: the texts among the members of the payload (of an array of
            pairs their ``keys``, as far as they are known) → an empty value, or None when this one cannot.
            Only called when the payload leads back to the value.
        fill: completes what *begin* returned, from the complete payload.
    """

    name: str
    matches: Callable[[type], bool]
    encode: Callable[[Any], object]
    decode: Callable[[Any], object]
    begin: Callable[[Mapping[str, object]], object | None] | None = None
    fill: Callable[[Any, Any], None] | None = None


_tables: WeakSet[Table] = WeakSet()


def forget_classes() -> None:
    """Have every table look anew which reducers take values of a class, because a type has become known."""
    for table in _tables:
        table.forget_classes()


class Table:
    """Reducers in match order, found by class and by name."""

    def __init__(self, reducers: Iterable[Reducer]) -> None:
        """
        Raises:
            ConfigurationError: two reducers read the same name.
        """
        self.reducers = tuple(reducers)
        self.by_name: dict[str, Reducer] = {}
        self._by_class: dict[type, tuple[Reducer, ...]] = {}
        for reducer in self.reducers:
            known = self.by_name.setdefault(reducer.name, reducer)
            if known.decode is not reducer.decode:
                raise ConfigurationError(f"two reducers read {reducer.name!r}; give one of them another name")
        _tables.add(self)

    def forget_classes(self) -> None:
        """Look anew which reducers take values of a class."""
        self._by_class.clear()

    def matching(self, cls: type) -> tuple[Reducer, ...]:
        """Return the reducers for values of a class, in match order."""
        found = self._by_class.get(cls)
        if found is None:
            found = tuple(reducer for reducer in self.reducers if reducer.matches(cls))
            self._by_class[cls] = found
        return found


def exactly(*classes: type) -> Callable[[type], bool]:
    """Return a test for these very classes; a subclass would come back as its base."""
    return frozenset(classes).__contains__


def subclass_of(base: type) -> Callable[[type], bool]:
    """Return a test for a class and its subclasses."""
    return lambda cls: issubclass(cls, base)
