"""
Reading to show: nobody's classes are needed, and nobody's code runs.

What Python and JavaScript have themselves is read as always. An instance of an application's class comes as it is
stored, an :class:`~torpor.codec.values.Instance`, and so does what only a newer version could read; an exception comes
as a :class:`~torpor.codec.errors.PythonError`, a reference to a step, workflow or run as that reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torpor.clock import SystemClock
from torpor.codec.errors import PythonError
from torpor.codec.types.errors import finish_exception
from torpor.codec.types.python import COLLECTION_TYPES, VALUE_TYPES
from torpor.codec.types.references import AsTheyAre, reviving
from torpor.codec.types.table import standard_table
from torpor.codec.values import Instance
from torpor.codec.wire import devalue
from torpor.codec.wire.envelope import DEVALUE, unpack
from torpor.codec.wire.reducers import PASS, PythonType, Reducer, Table
from torpor.errors import SerializationError

_PYTHON: Final = "class//python//"
_EXCEPTION: Final = "class//python//exception//"
_KINDS: Final = {
    kind.kind if kind.kind.startswith("class//") else _PYTHON + kind.kind: kind
    for kind in (*VALUE_TYPES, *COLLECTION_TYPES)
}

# What a kind raises when its data have another shape than it writes.
_UNFIT = (SerializationError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def loads(data: bytes) -> Any:
    """
    Return the value in an envelope, made without any class of an application.

    Raises:
        SerializationError: the bytes cannot be read.
    """
    with reviving(AsTheyAre()):
        return devalue.decode(unpack(data)[len(DEVALUE) :], _table)


def _kind_of(class_id: str) -> tuple[PythonType | None, str]:
    """Return the kind of a class id that needs no class of an application, and its path."""
    if not class_id.startswith(_PYTHON):
        return _KINDS.get(class_id), ""
    name, _, path = class_id.removeprefix(_PYTHON).partition("//")
    kind = _KINDS.get(_PYTHON + name)
    return (kind, path) if kind is not None and bool(path) == bool(kind.path) else (None, "")


def _decode(payload: Mapping[str, Any]) -> object:
    class_id, data = payload["classId"], payload["data"]
    if class_id.startswith(_EXCEPTION):
        error = PythonError(class_id.removeprefix(_EXCEPTION))
        finish_exception(error, data)
        return error
    kind, path = _kind_of(class_id)
    if kind is not None:
        try:
            return kind.decode(data, path)
        except _UNFIT:  # such as a time zone that this machine does not know
            pass
    return Instance(class_id, data)


def _begin(head: Mapping[str, Any]) -> object:
    class_id = head["classId"]
    if class_id.startswith(_EXCEPTION):
        return PythonError(class_id.removeprefix(_EXCEPTION))
    kind, path = _kind_of(class_id)
    begun = None if kind is None or kind.begin is None else kind.begin(path)
    return Instance(class_id) if begun is None else begun


def _fill(begun: object, payload: Mapping[str, Any]) -> None:
    data = payload["data"]
    if isinstance(begun, PythonError):
        finish_exception(begun, data)
    elif isinstance(begun, Instance):
        begun.data = data
    else:
        kind, _ = _kind_of(payload["classId"])
        assert kind is not None, "only a kind has begun it"
        assert kind.fill is not None, "what was begun can be filled"
        kind.fill(begun, data)


_INSTANCE = Reducer("Instance", lambda _: False, lambda _: PASS, _decode, _begin, _fill)
_table = Table([_INSTANCE, *(each for each in standard_table(SystemClock()).reducers if each.name != "Instance")])
