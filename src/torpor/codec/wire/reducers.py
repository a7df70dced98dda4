"""
The table of reducers: how a type that JSON lacks becomes a payload that the format can hold, and back.

A reducer is one entry ``name → (matches, encode, decode)``; adding a type is adding an entry. The first entry of a
table that matches a value's class and does not pass encodes it; reading goes by name.

Instances of classes share one reducer, ``Instance``. Python's own types are behind class ids ``class//python//<kind>``
or, for a kind that is many classes, ``class//python//<kind>//<module>:<name>``. The data is plain, so that JavaScript
reads a ``tuple`` as an array and a dataclass as an object. Instances of JavaScript classes are kept as
:class:`~torpor.codec.values.Instance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final
from weakref import WeakSet

from torpor.codec.values import Instance
from torpor.errors import ConfigurationError, SerializationError


@final
class Pass:
    """What ``encode`` returns to leave a value of a matching class to a later entry."""

    __slots__ = ()


_PYTHON = "class//python//"
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


@dataclass(frozen=True, slots=True)
class PythonType:
    """
    One kind of Python value that JavaScript lacks.

    Attributes:
        kind: its name in class ids; a whole class id for what is not Python's alone.
        matches: whether values of this class are of the kind.
        encode: value → plain data, or :data:`~torpor.codec.wire.reducers.PASS`.
        decode: complete data, path → value; the path is empty unless the kind has many classes.
        path: for a kind that is many classes: value → the path ``module:name`` that tells them apart.
        begin: for a kind that may take part in a cycle: path → an empty value, or None when this one cannot.
        fill: completes what *begin* returned, from the complete data.
        state: value → what Python keeps beside the data, such as which fields of a model were given; *decode* and
            *fill* get it as their last argument, empty when it was lost on the way through JavaScript.
    """

    kind: str
    matches: Callable[[type], bool]
    encode: Callable[[Any], object]
    decode: Callable[..., object]
    path: Callable[[Any], str] | None = None
    begin: Callable[[str], object | None] | None = None
    fill: Callable[..., None] | None = None
    state: Callable[[Any], dict[str, object]] | None = None


def instance_reducers(types: Iterable[PythonType]) -> tuple[Reducer, ...]:
    """Return reducers that write the types, all under the name ``Instance``; each of them reads every instance."""
    types = tuple(types)
    kinds = {python_type.kind: python_type for python_type in types}

    def lookup(class_id: str) -> tuple[PythonType, str]:
        if not class_id.startswith(_PYTHON):
            return kinds.get(class_id) or _javascript_type(class_id), ""
        kind, _, path = class_id.removeprefix(_PYTHON).partition("//")
        if kind not in kinds or bool(path) != bool(kinds[kind].path):
            raise SerializationError(
                f"a value of the Python type {class_id!r} cannot be read by this version; it was probably written by a "
                "newer one, or by a process in which the type is registered"
            )
        return kinds[kind], path

    def decode(payload: Mapping[str, Any]) -> object:
        python_type, path = lookup(payload["classId"])
        if python_type.state is not None:
            return python_type.decode(payload["data"], path, payload.get("state", {}))
        return python_type.decode(payload["data"], path)

    def begin(head: Mapping[str, Any]) -> object | None:
        python_type, path = lookup(head["classId"])
        return None if python_type.begin is None else python_type.begin(path)

    def fill(begun: object, payload: Mapping[str, Any]) -> None:
        python_type, _ = lookup(payload["classId"])
        assert python_type.fill is not None, "what was begun can be filled"
        state = () if python_type.state is None else (payload.get("state", {}),)
        python_type.fill(begun, payload["data"], *state)

    def writer(python_type: PythonType) -> Reducer:
        prefix = "" if python_type.kind.startswith("class//") else _PYTHON

        def encode(value: object) -> dict[str, object] | Pass:
            data = python_type.encode(value)
            if data is PASS:
                return PASS
            path = f"//{python_type.path(value)}" if python_type.path else ""
            payload = {"classId": f"{prefix}{python_type.kind}{path}", "data": data}
            state = {} if python_type.state is None else python_type.state(value)
            return payload | {"state": state} if state else payload

        # Only a value of which the reader can begin may be written into a cycle.
        return Reducer("Instance", python_type.matches, encode, decode, begin if python_type.begin else None, fill)

    return (
        Reducer("Instance", exactly(Instance), _encode_javascript, decode, begin, fill),
        *[writer(python_type) for python_type in types],
    )


def _encode_javascript(value: Instance) -> dict[str, object]:
    return {"classId": value.class_id, "data": value.data}


def _javascript_type(class_id: str) -> PythonType:
    """Return how an instance of one JavaScript class is kept."""

    def fill(begun: Instance, data: object) -> None:
        begun.data = data

    return PythonType(
        kind=class_id,
        matches=exactly(Instance),
        encode=_encode_javascript,
        decode=lambda data, _: Instance(class_id, data),
        begin=lambda _: Instance(class_id),
        fill=fill,
    )
