"""
Python faces of values that only JavaScript has.

What came from JavaScript goes back the same: each class here is the closest natural Python value (an ``int``, a
``str``, ``bytes``, a ``dict`` …) and differs from it only in how it is encoded. Three things are not kept:
``undefined`` and the holes of an array read as None, and views that share one buffer become separate bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Self, final
from urllib.parse import parse_qsl

PLAIN_INT_MAX = 2**53 - 1
"""The largest magnitude that a JavaScript number holds exactly; ints beyond it travel as BigInt."""

PROTO = "__proto__"
"""A key that no object may have: a careless reader would set the prototype by it. A dict that has it is a Map."""


@final
class Undefined:
    """JavaScript's ``undefined``, for writing only: reading gives None."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = Undefined()


class BigInt(int):
    """A BigInt that an ordinary number could hold as well; plain ints beyond 2**53 are BigInts anyway."""


class Map(dict[Any, Any]):
    """
    A Map whose keys are all strings; a plain dict with such keys is an object, one with other keys a Map.

    The key ``__proto__``, which no object may have, is one of the others.
    """


class MapEntries(list[tuple[Any, Any]]):
    """A Map with keys that no Python dict can hold (objects, arrays, ``1`` beside ``true``): pairs, in order."""


class SetEntries(list[Any]):
    """A Set with members that no Python set can hold (objects, arrays, ``1`` beside ``true``), in order."""


class NullPrototype(dict[str, Any]):
    """An object made by ``Object.create(null)``."""


class URL(str):
    """A URL, as its ``href``."""

    __slots__ = ()


class URLSearchParams(str):
    """A query string without the leading ``?``."""

    __slots__ = ()

    def pairs(self) -> list[tuple[str, str]]:
        """Return the decoded names and values, in order."""
        return parse_qsl(self, keep_blank_values=True)


class Headers(list[tuple[str, str]]):
    """HTTP headers: (lower-case name, value) pairs in the order in which JavaScript iterates them."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__((name.lower(), value) for name, value in pairs)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the values of a header joined by ``", "``, or *default*."""
        values = [value for key, value in self if key == name.lower()]
        return ", ".join(values) if values else default


class ArrayBuffer(bytes):
    """The bytes of an ArrayBuffer; plain ``bytes`` are a Uint8Array."""


class Uint8ClampedArray(bytes):
    """The bytes of a Uint8ClampedArray."""


class Float16Array(bytes):
    """The little-endian bytes of a Float16Array."""


class DataView(bytes):
    """The bytes that a DataView shows."""


@dataclass(frozen=True, slots=True)
class RegExp:
    """A regular expression in JavaScript's syntax."""

    source: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class DateText:
    """
    A Date that :class:`~datetime.datetime` cannot hold.

    Attributes:
        text: ISO 8601 text with an expanded year, or ``"."`` for an invalid Date.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Boxed:
    """A primitive in its object wrapper, such as ``new String("x")``."""

    value: Any


@dataclass(slots=True)
class Instance:
    """
    An instance of a JavaScript class with custom serialization.

    Attributes:
        class_id: such as ``class//./shapes//Point``.
        data: what the class's serializer returned.
    """

    class_id: str
    data: Any = None


@dataclass(frozen=True, slots=True)
class ClassReference:
    """A class itself: one of JavaScript, or a Python class that a step was called on."""

    class_id: str


@dataclass(slots=True)
class StepFunction:
    """
    A step passed as a value.

    Attributes:
        step_id: such as ``step//./orders.py//charge``.
        extras: ``closureVars``, ``boundThis``, ``boundArgs`` and ``options`` as far as the step carries them.
    """

    step_id: str
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkflowFunction:
    """A workflow passed as a value."""

    workflow_id: str


@dataclass(frozen=True, slots=True)
class RunReference:
    """
    A run passed as a value; a handle of it stands in its place wherever there are handles.

    Attributes:
        run_id: such as ``wrun_01J…``.
    """

    run_id: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """
    A value that somebody else has encoded, as it is stored before it is encrypted; nobody opens it on its way.

    Attributes:
        envelope: as :func:`torpor.codec.dumps` returns it.
    """

    envelope: bytes


class Kwargs(dict[str, Any]):
    """
    Keyword arguments of a Python workflow, which travel as its last argument.

    JavaScript reads an object, so that a workflow there has its options last, as is usual.
    """


@dataclass(slots=True)
class Handle:
    """
    Something that lives on the JavaScript side, such as a request or a stream, as what is stored of it.

    A handle is data only: nothing can be read from a stream or aborted through it here. It goes back as it came.

    Attributes:
        fields: everything stored of it, under the names that JavaScript gives them; each is an attribute too, such as
            ``request.url`` or ``response.statusText``.
    """

    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        """Return a handle of which these fields are stored, whatever its constructor takes."""
        made = cls.__new__(cls)
        made.fields = fields
        return made

    def __getattr__(self, name: str) -> Any:
        if name != "fields" and name in self.fields:
            return self.fields[name]
        raise AttributeError(f"the {type(self).__name__} has no field {name!r}")


class ReadableStream(Handle):
    """A stream to read: its name, and if there are type and framing."""

    __slots__ = ()


class WritableStream(Handle):
    """A stream to write: its name and the runId that it belongs to, and whatever else it came with."""

    __slots__ = ()


class AbortController(Handle):
    """What aborts: streamName, hookToken, aborted, reason."""

    __slots__ = ()


class AbortSignal(Handle):
    """What is told of an abort: streamName, hookToken, aborted, reason."""

    __slots__ = ()


def pairs_of(items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the two members of each item; raise ValueError for an item of another length."""
    for item in items:
        key, value = item
        yield key, value
