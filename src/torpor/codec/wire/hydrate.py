"""
Reading: the flat array becomes a value.

The containers of the parsed array are the containers of the value, filled in place each in its own turn: sharing and
cycles need no care, nesting no recursion. Only what reducers make has an order, since a payload must be complete before
its value can be; where there is any, one depth-first walk completes children before parents.

A reducer's type is ``[name, index of the payload]``. The npm package's built-in types put what they consist of into
that same array instead: ``["Date", "1970-…"]``, not ``[["Date", 1], "1970-…"]``. Here such an array is turned into the
first form by appending a payload to the values, so that a reducer never hears of the second.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from torpor.codec.values import PLAIN_INT_MAX, PROTO, NullPrototype
from torpor.codec.wire.bounds import Repeats
from torpor.codec.wire.flatten import DEPTH_MAX
from torpor.codec.wire.reducers import Table
from torpor.errors import SerializationError

SPARSE = -7
"""Opens a sparse array: ``[SPARSE, length, index, value, …]``."""

SPARSE_LENGTH_MAX = 100_000
"""Elements of one sparse array: its length comes from the text but is not bounded by it."""

SPARSE_TOTAL_MAX = 1_000_000
"""Elements of all sparse arrays of one text together."""

# Appended to the values, so that a sentinel is an ordinary negative index: [-1] is undefined, [-2] a hole.
_SENTINELS = [-0.0, float("-inf"), float("inf"), float("nan"), None, None]
_HOLE = -2
_LOWEST = -len(_SENTINELS)

# What a reducer's decoder raises when its payload has another shape than it writes.
_UNFIT = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)

_CONTAINERS = (list, dict, NullPrototype)

_Slot = list[Any]
Container = list[Any] | dict[str, Any]
ReducedSlots = dict[int, _Slot]
"""Index of a reduced value → its ``[name, index of the payload]``."""


def hydrate(flat: int | list[Any], table: Table) -> Any:
    """
    Return the value of a flat array; the array is used up.

    Raises:
        SerializationError: an index that points nowhere, a name that no reducer has, a payload that does not fit it.
    """
    if isinstance(flat, int):
        if flat == _HOLE or not _LOWEST <= flat < 0:
            raise damaged(f"its only value is {flat}")
        return _SENTINELS[flat]
    if not flat:
        raise damaged("it is an empty array")
    containers, reduced = _sort(flat, table)
    count = len(flat)
    if not reduced:
        _fill_all(containers, flat)
        return flat[0]
    flat.extend(_SENTINELS)
    pending: ReducedSlots = {}
    decoder = _Decoder(table)
    for index, (name, payload) in reduced.items():
        if not _LOWEST <= payload < count:
            raise _astray(payload, count)
        if payload in reduced or type(flat[payload]) in _CONTAINERS:
            pending[index] = [name, payload]
        else:
            flat[index] = decoder.decode(index, name, flat[payload])
    if pending:
        _Completion(flat, count, pending, reduced.keys() - pending.keys(), decoder).run()
        return flat[0]
    del flat[count:]
    _fill_all(containers, flat)
    return flat[0]


def _sort(flat: list[Any], table: Table) -> tuple[list[Container], ReducedSlots]:
    """Return the containers and the reduced values, each in its one normal form."""
    containers: list[Container] = []
    reduced: ReducedSlots = {}
    sparse_total = 0
    for index, value in enumerate(flat):  # also meets what is appended on the way
        kind = type(value)
        if kind is dict:
            containers.append(value)
        elif kind is int:
            if not -PLAIN_INT_MAX <= value <= PLAIN_INT_MAX:
                flat[index] = _large_number(value)
        elif kind is not list:
            continue
        elif not value or (type(value[0]) is int and value[0] != SPARSE):
            containers.append(value)
        elif value[0] == SPARSE:
            flat[index] = _dense(value)
            containers.append(flat[index])
            sparse_total += len(flat[index])
            if sparse_total > SPARSE_TOTAL_MAX:
                raise damaged(f"its sparse arrays have more than {SPARSE_TOTAL_MAX} elements together")
        elif value[0] == "null":
            flat[index] = _null_prototype(value)
            containers.append(flat[index])
        elif value[0] not in table.by_name:
            raise SerializationError(
                f"element {index} of the devalue text is a {value[0]!r}, which this version cannot read; "
                f"it reads {', '.join(sorted(table.by_name))}"
            )
        else:
            reduced[index] = [value[0], _payload_index(value, flat)] if _is_one_level(value, flat) else value
    return containers, reduced


def _fill_all(containers: list[Container], flat: list[Any]) -> None:
    """Put values in the places of their indexes, where none has to wait for another."""
    count = len(flat)
    # Most containers have no sentinel; for those a list that ends where it ends checks their indexes by itself.
    with_sentinels: list[Container] = []
    container: Any
    try:
        if len(containers) > DEPTH_MAX:
            _check_depth(flat)
        for container in containers:
            if not container:
                continue
            if type(container) is list:
                if min(container) < 0:
                    with_sentinels.append(container)
                else:
                    container[:] = [flat[index] for index in container]
            elif min(container.values()) < 0 or PROTO in container:
                with_sentinels.append(container)
            else:
                for key, index in container.items():
                    container[key] = flat[index]
    except IndexError as error:
        raise damaged(f"it points to elements beyond its {count}") from error
    except TypeError as error:
        raise damaged(f"an array holds something else than indexes: {error}") from error
    flat.extend(_SENTINELS)
    for container in with_sentinels:
        _fill(container, container, flat, count)


def _check_depth(flat: list[Any]) -> None:
    """Raise SerializationError if a container is more than DEPTH_MAX others away from the root."""
    level, met = {0}, {0, *range(_LOWEST, 0)}
    for _ in range(DEPTH_MAX):
        below: set[int] = set()
        for slot in map(flat.__getitem__, level):
            if type(slot) is list:
                below.update(slot)
            elif type(slot) in _CONTAINERS:
                below.update(slot.values())
        level = below - met
        if not level:
            return
        met |= level
    raise _too_deep()


class _Decoder:
    """Makes the values of one text out of their payloads."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.repeats = Repeats()

    def begin(self, index: int, name: str, head: Mapping[str, object]) -> object:
        """Return the empty value of a payload of which only the texts are known, or the keys of pairs."""
        begin = self.table.by_name[name].begin
        try:
            value = None if begin is None else begin(head)
        except _UNFIT as error:
            raise damaged(f"element {index} is no {name}: {error}") from error
        if value is None:
            raise damaged(f"element {index}, a {name}, is part of its own payload, which this type does not allow")
        return value

    def decode(self, index: int, name: str, payload: object, begun: object = None) -> object:
        """Return the value of a payload, or complete what was begun of it."""
        reducer = self.table.by_name[name]
        try:
            self.repeats.count(payload)
            if begun is None or reducer.fill is None:
                return reducer.decode(payload)
            reducer.fill(begun, payload)
        except _UNFIT as error:
            raise damaged(f"element {index} is no {name}: {error}") from error
        return begun


class _Completion:
    """A walk from the root that completes children before parents, for texts with reduced values that have members."""

    def __init__(
        self, flat: list[Any], count: int, pending: ReducedSlots, complete: Iterable[int], decoder: _Decoder
    ) -> None:
        self.flat = flat
        self.count = count
        self.pending = pending
        self.decoder = decoder
        # Element → whether it is complete, or is being worked on. What is being worked on stands empty in the flat
        # array, so that no decoder takes indexes for values.
        self.is_complete = dict.fromkeys(complete, True)
        self.begun: dict[int, object] = {}
        self.stack: list[tuple[int, Container, Iterator[int]]] = []

    def run(self) -> None:
        children: Iterator[int] = iter((0,))
        while True:
            for index in children:
                if index in self.is_complete:
                    if not self.is_complete[index] and index in self.pending and index not in self.begun:
                        self.begun[index] = self.flat[index] = self._begin(index)
                elif (slot := self._slot(index)) is not None:
                    self.is_complete[index] = False
                    self.stack.append((index, slot, children))
                    children = iter(_indexes(slot, self.count))
                    break
            else:
                if not self.stack:
                    return
                index, slot, children = self.stack.pop()
                self._finish(index, slot)

    def _slot(self, index: int) -> Container | None:
        """Return the indexes in an element, which stands empty from then on; None if it has none."""
        if len(self.stack) > DEPTH_MAX:
            raise _too_deep()
        if index in self.pending:
            return self.pending[index][1:]
        slot = self.flat[index]
        if index < 0 or type(slot) not in _CONTAINERS:
            return None
        self.flat[index] = type(slot)()
        return cast(Container, slot)

    def _begin(self, index: int) -> object:
        """Return the empty value of an element whose payload leads back to it."""
        name, payload = self.pending[index]
        slot = next((slot for at, slot, _ in self.stack if at == payload), None)
        if isinstance(slot, dict):
            head = {key: self.flat[at] for key, at in slot.items() if isinstance(self.flat[at], str)}
        else:
            head = {"keys": [self._key(pair) for pair in slot or ()]}
        return self.decoder.begin(index, name, head)

    def _key(self, pair: int) -> object:
        """Return the key of a pair, of which only the index may be there yet; None if it is not."""
        slot = next((slot for at, slot, _ in self.stack if at == pair), self.flat[pair])
        if not isinstance(slot, list) or not slot:
            return None
        if self.is_complete.get(pair):
            return slot[0]
        is_index = type(slot[0]) is int and _LOWEST <= slot[0] < self.count
        return self.flat[slot[0]] if is_index else None

    def _finish(self, index: int, slot: Container) -> None:
        self.is_complete[index] = True
        if index not in self.pending:
            _fill(self.flat[index], slot, self.flat, self.count)
            return
        name, payload = self.pending[index]
        if self.is_complete.get(payload) is False:
            raise damaged(f"element {index}, a {name}, is part of its own payload")
        self.flat[index] = self.decoder.decode(index, name, self.flat[payload], self.begun.get(index))


def _fill(container: Any, slot: Container, flat: list[Any], count: int) -> None:
    """Put values in the places of their indexes; *slot* may be *container* itself."""
    if isinstance(slot, dict):
        if PROTO in slot:
            raise damaged(f"an object has a key '{PROTO}'")
        for key, index in slot.items():
            if not _LOWEST <= index < count:
                raise _astray(index, count)
            container[key] = flat[index]
    else:
        container[:] = [flat[index] for index in _indexes(slot, count)]


def _indexes(slot: Container, count: int) -> Collection[int]:
    """Return the indexes in a container, all of which point to something."""
    indexes: Collection[int] = slot.values() if isinstance(slot, dict) else slot
    try:
        if indexes and (min(indexes) < _LOWEST or max(indexes) >= count):
            raise _astray(min(indexes) if min(indexes) < _LOWEST else max(indexes), count)
    except TypeError as error:
        raise damaged(f"an array holds something else than indexes: {slot!r:.100}") from error
    return indexes


def _large_number(number: int) -> float:
    """Return what JavaScript meant by a whole number that it holds inexactly; an exact one would be a BigInt."""
    try:
        return float(number)
    except OverflowError as error:
        raise damaged(f"it holds a number of {number.bit_length()} bits") from error


def _dense(slot: list[Any]) -> list[Any]:
    """Return the indexes of a sparse array, holes included."""
    length = slot[1] if len(slot) > 1 else None
    if type(length) is not int or not 0 <= length <= SPARSE_LENGTH_MAX or len(slot) % 2:
        raise damaged(f"a sparse array of length {length!r:.40}; the limit is {SPARSE_LENGTH_MAX}")
    dense = [_HOLE] * length
    for at in range(2, len(slot), 2):
        place = slot[at]
        if type(place) is not int or not 0 <= place < length:
            raise damaged(f"a sparse array of length {length} has an element at {place!r:.40}")
        dense[place] = slot[at + 1]
    return dense


def _null_prototype(slot: list[Any]) -> NullPrototype:
    """Return an object without prototype that holds the indexes of its members."""
    keys, indexes = slot[1::2], slot[2::2]
    is_paired = len(keys) == len(indexes)
    if not is_paired or set(map(type, keys)) - {str} or set(map(type, indexes)) - {int}:
        raise damaged("an object without prototype has a key that is no string, or one without a value")
    return NullPrototype(zip(keys, indexes, strict=True))


def _too_deep() -> SerializationError:
    return SerializationError(f"the devalue text nests deeper than {DEPTH_MAX} containers")


def _astray(index: int, count: int) -> SerializationError:
    return damaged(f"it points to element {index} of {count}")


def damaged(what: str) -> SerializationError:
    """Return the error for a text that is not devalue's."""
    return SerializationError(f"this is not devalue text, or it was damaged: {what}")


def _is_one_level(slot: _Slot, values: list[Any]) -> bool:
    """Tell whether the operands of a named array are not the index of a payload."""
    if len(slot) != 2 or type(slot[1]) is not int:
        return True
    if slot[0] != "Set":
        return False
    # A Set of one member looks like a payload's index; a payload would be a plain array.
    member = values[slot[1]] if 0 <= slot[1] < len(values) else None
    return type(member) is not list or (bool(member) and type(member[0]) is str)


def _payload_index(slot: _Slot, values: list[Any]) -> int:
    """
    Append the payload that the operands of a named array amount to, and return its index.

    Raises:
        SerializationError: the name's operands are not of this number or kind.
    """
    name, *operands = slot
    payload: object = None
    match operands:
        case [str(text)] if name != "RegExp":
            payload = text
        case [str(source), *flags] if name == "RegExp" and len(flags) <= 1:
            values.extend([source, *(flags or [""])])
            payload = {"source": len(values) - 2, "flags": len(values) - 1}
        case [int(buffer), int(offset), int(length)] if name.endswith("Array") or name == "DataView":
            values.extend([offset, length])
            payload = {"buffer": buffer, "offset": len(values) - 2, "length": len(values) - 1}
        case members if name == "Set":
            payload = members
        case members if name == "Map" and len(members) % 2 == 0:
            pairs = [members[at : at + 2] for at in range(0, len(members), 2)]
            values.extend(pairs)
            payload = list(range(len(values) - len(pairs), len(values)))
    if payload is None:
        raise SerializationError(f"damaged devalue text: {name!r} with operands {operands!r:.200}")
    values.append(payload)
    return len(values) - 1
