"""
Writing: a value becomes the flat array in which the root is element 0 and containers hold indexes.

The walk is depth-first and numbers a value when it first meets it, as the npm package does, but keeps its own stack:
nesting costs no recursion. What it emits is plain JSON data, so that one call of a JSON encoder makes the text. A value
that cannot be stored is told by its path, such as ``.args[0].when``, with what to do about it.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from collections.abc import AsyncIterator, Iterator, MappingView, Sequence
from enum import Enum
from math import copysign, isnan
from typing import Any, NamedTuple

from torpor.codec.values import PLAIN_INT_MAX, PROTO, UNDEFINED, BigInt, NullPrototype
from torpor.codec.wire.reducers import PASS, Reducer, Table
from torpor.errors import SerializationError

DEPTH_MAX = 10_000
"""Containers inside one another that a value may have."""

_STR_ONLY = frozenset({str})

_PLAIN = "None, bool, int, float, str, bytes, list, dict, tuple, set, dates, dataclasses, enums or exceptions"

_OF_A_PROCESS = frozenset((
    "_asyncio", "_io", "_socket", "_thread", "asyncio", "io", "multiprocessing", "socket", "sqlite3", "ssl",
    "subprocess", "tempfile", "threading",
))  # fmt: skip
"""Modules of Python whose objects mean nothing elsewhere: files, locks, connections."""

_PLAIN_BY_METHOD = {
    "tolist": ".tolist() makes a list of it",  # arrays of numpy and torch, columns of pandas
    "to_dicts": ".to_dicts() makes a list of its rows",  # tables of polars
    "to_dict": ".to_dict() makes a dict of it",  # tables of pandas, and classes of many others
}
"""What a class has that knows how to become plain values → what that does."""

_NAN = -3
_INFINITY = -4
_NEGATIVE_INFINITY = -5
_NEGATIVE_ZERO = -6


_Frame = tuple[object, Iterator[Any], list[Any], int]
"""A container, its members yet to come, the indexes of those already met (after a name, if a reducer gave one), and the
container's own index."""


class _Reduced(NamedTuple):
    """The container of a frame whose one member is the payload of a reduced value."""

    value: object
    reducer: Reducer


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
        # The containers around the one that is being walked.
        self.stack: list[_Frame] = []
        # Payloads must outlive the walk, or a later object might be given the id of an earlier one.
        self.payloads: list[object] = []
        # Elements that cannot exist before their payload is complete, and whose payload is being walked.
        self.unfinished: set[int] = set()

    def flat_array_of(self, root: object) -> int | list[Any]:  # noqa: C901 - every value passes here: no calls inside
        flat, stack = self.flat, self.stack
        emit = flat.append
        # Equal primitives share an index. A dict for each type, because 1 == 1.0 == True in Python.
        strings: dict[str, int] = {}
        ints: dict[int, int] = {}
        floats: dict[float, int] = {}
        bigints: dict[int, int] = {}
        # Everything else is shared by identity; None, True and False are single objects anyhow.
        by_id: dict[int, int] = {id(UNDEFINED): -1}

        string_known, int_known, float_known, object_known = strings.get, ints.get, floats.get, by_id.setdefault

        container: Any = None
        members: Iterator[Any] = iter((root,))
        indexes: list[Any] = []
        place = 0
        add = indexes.append
        while True:
            for value in members:
                kind = type(value)
                if kind is str:
                    known = string_known(value)
                    if known is None:
                        strings[value] = known = len(flat)
                        emit(value)
                    add(known)
                    continue
                if kind is int:
                    known = int_known(value)
                    if known is not None:
                        add(known)
                        continue
                    ints[value] = index = len(flat)
                    if -PLAIN_INT_MAX <= value <= PLAIN_INT_MAX:
                        emit(value)
                        add(index)
                        continue
                elif kind is float:
                    known = float_known(value) if value or copysign(1.0, value) > 0 else _NEGATIVE_ZERO
                    if known is None:
                        if value - value == 0.0:
                            floats[value] = known = len(flat)
                            emit(value)
                        else:
                            known = _NAN if isnan(value) else _INFINITY if value > 0 else _NEGATIVE_INFINITY
                    add(known)
                    continue
                else:
                    index = len(flat)
                    known = bigints.setdefault(value, index) if kind is BigInt else object_known(id(value), index)
                    if known != index:
                        add(known)
                        if known in self.unfinished:
                            raise self._cycle_error(value, (container, members, indexes, place))
                        continue
                    if value is None or kind is bool:
                        emit(value)
                        add(index)
                        continue
                add(index)
                stack.append((container, members, indexes, place))
                container, place, indexes = value, index, []
                add = indexes.append
                emit(indexes)
                if kind is list:
                    members = iter(value)
                elif kind is dict and PROTO not in value and _STR_ONLY.issuperset(map(type, value)):
                    members = iter(value.values())
                elif kind is NullPrototype:
                    if PROTO in value:
                        raise SerializationError(f"{_path_of(stack)} has a key '{PROTO}', which is refused; rename it")
                    members = iter(value.values())
                else:
                    container, payload = self._reduce(value, index)
                    add(container.reducer.name)
                    members = iter((payload,))
                if len(stack) >= DEPTH_MAX:
                    raise SerializationError(f"{_path_of(stack[:10])}… is nested deeper than {DEPTH_MAX} containers")
                break
            else:
                kind = type(container)
                if kind is dict:
                    # To check that they are as many would cost a tenth of all time.
                    flat[place] = dict(zip(container, indexes))  # noqa: B905 - as above
                elif kind is _Reduced:
                    self.unfinished.discard(place)
                elif kind is NullPrototype:
                    pairs = zip(container, indexes, strict=True)
                    flat[place] = ["null", *(part for pair in pairs for part in pair)]
                if not stack:
                    break
                container, members, indexes, place = stack.pop()
                add = indexes.append
        root_index: int = indexes[0]
        return flat if root_index == 0 else root_index

    def _reduce(self, value: object, place: int) -> tuple[_Reduced, object]:
        """Return a value with the first reducer that takes it, and the payload that this makes."""
        for reducer in self.table.matching(type(value)):
            try:
                payload = reducer.encode(value)
            except SerializationError as error:
                raise SerializationError(f"{_path_of(self.stack)}: {error}") from error
            except Exception as error:
                raise SerializationError(
                    f"{_path_of(self.stack)} is {_described(value)} that cannot be read: {error!r}"
                ) from error
            if payload is not PASS:
                self.payloads.append(payload)
                if reducer.begin is None:
                    self.unfinished.add(place)
                return _Reduced(value, reducer), payload
        raise SerializationError(
            f"{_path_of(self.stack)} is {_described(value)}, which cannot be stored; {_advice(value)}"
        )

    def _cycle_error(self, value: object, frame: _Frame) -> SerializationError:
        return SerializationError(
            f"{_path_of([*self.stack, frame])} leads back to the {type(value).__qualname__} that it is part of, which "
            "cannot be rebuilt; put a list, dict, dataclass or exception into the cycle"
        )


def _path_of(stack: Sequence[_Frame]) -> str:
    """Return the path of the value that was met last; the root is ``value``."""
    path = ""
    frames = iter(stack[1:])
    for container, _, indexes, _ in frames:
        match container:
            case _Reduced(reducer=Reducer(name="Instance")):
                next(frames, None)  # {classId, data}: a member of the data is shown as the instance's own
            case _Reduced(reducer=Reducer(name="Map")):
                next(frames, None)  # the array of pairs
                path += next((f".get({_shown(pair)})" for pair, *_ in frames), "")
            case _Reduced():
                pass  # what the payload is called is the reducer's own business
            case dict():
                path += _key(list(container)[len(indexes) - 1])
            case _:
                path += f"[{len(indexes) - 1}]"
    return path or "value"


def _shown(pair: Any) -> str:
    text = repr(pair[0])
    return text if len(text) <= 80 else f"{text[:77]}…"


def _key(key: object) -> str:
    return f".{key}" if str(key).isidentifier() else f"[{json.dumps(key, ensure_ascii=False)}]"


def _described(value: object) -> str:
    """Return what a value is, by its class and where that is."""
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"a {name}"


def _advice(value: object) -> str:
    """Return what the author can do about it."""
    cls = type(value)
    if inspect.isawaitable(value):
        return "await it first"
    if inspect.isroutine(value) or inspect.isclass(value):
        return "code does not travel with values; pass a registered step or workflow, or a name"
    if inspect.ismodule(value) or cls.__module__.partition(".")[0] in _OF_A_PROCESS:
        return "it belongs to this process; pass what it is made from or holds, such as a path, a name, a text or bytes"
    if isinstance(value, Iterator | AsyncIterator | MappingView):
        return "make it a list first"
    if plain := _way_to_plain(cls):
        return plain
    if "<locals>" in cls.__qualname__ and (dataclasses.is_dataclass(cls) or issubclass(cls, Enum | tuple)):
        return "define its class at module level, where another process can find it"
    for base in (bool, int, float, str, bytes, list, dict, set):
        if issubclass(cls, base):
            return f"a subclass would come back as {base.__name__}; convert it with {base.__name__}(…)"
    way = "tell torpor.register(…) how to store it"
    if cls.__module__.partition(".")[0] not in sys.stdlib_module_names:
        way = f"make its class a dataclass or @torpor.serializable, or {way}"
    return f"pass {_PLAIN}; or {way}"


def _way_to_plain(cls: type) -> str:
    """Return how the author makes plain values of what has a method for that, ``""`` when there is none."""
    if hasattr(cls, "tolist") and hasattr(cls, "item") and not hasattr(cls, "__setitem__"):
        return "pass a value of Python's: .item() makes one of it"  # a scalar of numpy, which may be a float too
    ways = (f"pass plain values: {way}" for method, way in _PLAIN_BY_METHOD.items() if hasattr(cls, method))
    return next(ways, "")
