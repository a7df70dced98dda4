"""
Writing: a value becomes the flat array in which the root is element 0 and containers hold indexes.

The walk is depth-first and numbers a value when it first meets it, as the npm package does, but keeps its own stack:
nesting costs no recursion. What it emits is plain JSON data, so that one call of a JSON encoder makes the text.
"""

from __future__ import annotations

from math import copysign, isnan
from typing import Any

from torpor.codec.advice import advice, described
from torpor.codec.paths import Frame, Reduced, path_of
from torpor.codec.reducers import PASS, Reducer, Table
from torpor.codec.values import PLAIN_INT_MAX, UNDEFINED, BigInt, NullPrototype
from torpor.errors import SerializationError

DEPTH_MAX = 10_000
"""Containers inside one another that a value may have."""

_STR_ONLY = frozenset({str})


def flatten(root: object, table: Table) -> int | list[Any]:
    """
    Return the flat array of a value, or the sentinel that stands for it.

    Raises:
        SerializationError: a type that no reducer knows, or a key or nesting that the format cannot hold; the message
            names the path.
    """
    return _Walk(table).flat_array_of(root)


class _Walk:
    """One walk over one value."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.flat: list[Any] = []
        self.stack: list[Frame] = []
        # Element, source and indexes of objects; they are put together at the end, when all indexes are known.
        self.objects: list[tuple[int, dict[str, Any], list[int]]] = []
        # Payloads must outlive the walk, or a later object might be given the id of an earlier one.
        self.payloads: list[object] = []
        # Elements that cannot exist before their payload is complete, and whose payload is being walked.
        self.unfinished: set[int] = set()

    def flat_array_of(self, root: object) -> int | list[Any]:  # noqa: C901 - every value passes here: no calls inside
        flat, stack = self.flat, self.stack
        # Equal primitives share an index. A dict for each type, because 1 == 1.0 == True in Python.
        strings: dict[str, int] = {}
        primitives: dict[type, dict[Any, int]] = {int: {}, float: {}, BigInt: {}}
        # Everything else is shared by identity; None, True and False are single objects anyhow.
        by_id: dict[int, int] = {id(UNDEFINED): -1}

        indexes: list[Any] = []
        stack.append((None, iter((root,)), indexes))
        while stack:
            container, members, indexes = stack[-1]
            for value in members:
                kind = type(value)
                index = len(flat)
                if kind is str:
                    known = strings.setdefault(value, index)
                    indexes.append(known)
                    if known == index:
                        flat.append(value)
                    continue
                if kind in primitives:
                    if kind is float and not (value and value - value == 0.0) and (sentinel := _sentinel(value)):
                        indexes.append(sentinel)
                        continue
                    known = primitives[kind].setdefault(value, index)
                    indexes.append(known)
                    if known != index:
                        continue
                    if kind is float or (kind is int and -PLAIN_INT_MAX <= value <= PLAIN_INT_MAX):
                        flat.append(value)
                        continue
                else:
                    known = by_id.setdefault(id(value), index)
                    indexes.append(known)
                    if known != index:
                        if known in self.unfinished:
                            raise self._cycle_error(value)
                        continue
                    if value is None or kind is bool:
                        flat.append(value)
                        continue
                self._open(value, kind, index)
                break
            else:
                if type(container) is Reduced:
                    self.unfinished.discard(container.place)
                stack.pop()
        self._put_objects_together()
        root_index: int = indexes[0]
        return flat if root_index == 0 else root_index

    def _open(self, value: Any, kind: type, index: int) -> None:
        """Make the element of a container and go on with its members."""
        opened: list[Any] = []
        if kind is list:
            self.flat.append(opened)
            self.stack.append((value, iter(value), opened))
        elif (kind is dict and _STR_ONLY.issuperset(map(type, value))) or kind is NullPrototype:
            if "__proto__" in value:
                raise SerializationError(f"{path_of(self.stack)} has a key '__proto__', which is refused; rename it")
            self.flat.append(None)
            self.objects.append((index, value, opened))
            self.stack.append((value, iter(value.values()), opened))
        else:
            reducer, payload = self._reduce(value)
            self.payloads.append(payload)
            opened.append(reducer.name)
            self.flat.append(opened)
            self.stack.append((Reduced(value, reducer, index), iter((payload,)), opened))
            if reducer.begin is None:
                self.unfinished.add(index)
        if len(self.stack) > DEPTH_MAX:
            raise SerializationError(f"{path_of(self.stack[:10])}… is nested deeper than {DEPTH_MAX} containers")

    def _reduce(self, value: object) -> tuple[Reducer, object]:
        """Return the first reducer that takes a value, and the payload that it makes."""
        for reducer in self.table.matching(type(value)):
            try:
                payload = reducer.encode(value)
            except SerializationError as error:
                raise SerializationError(f"{path_of(self.stack)}: {error}") from error
            except Exception as error:
                raise SerializationError(
                    f"{path_of(self.stack)} is {described(value)} that cannot be read: {error!r}"
                ) from error
            if payload is not PASS:
                return reducer, payload
        raise SerializationError(
            f"{path_of(self.stack)} is {described(value)}, which cannot be stored; {advice(value)}"
        )

    def _put_objects_together(self) -> None:
        for index, source, indexes in self.objects:
            if type(source) is dict:
                self.flat[index] = dict(zip(source, indexes, strict=True))
            else:
                members = zip(source, indexes, strict=True)
                self.flat[index] = ["null", *(part for member in members for part in member)]

    def _cycle_error(self, value: object) -> SerializationError:
        return SerializationError(
            f"{path_of(self.stack)} leads back to the {type(value).__qualname__} that it is part of, which cannot be "
            "rebuilt; put a list, dict, dataclass or exception into the cycle"
        )


def _sentinel(number: float) -> int:
    """Return the sentinel of a float that JSON lacks, or 0 for zero."""
    if isnan(number):
        return -3
    if number:
        return -4 if number > 0 else -5
    return -6 if copysign(1.0, number) < 0 else 0
