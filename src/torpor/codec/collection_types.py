"""Kinds of the collections of Python's standard library, beside those of the language itself."""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from torpor.codec.classes import class_path
from torpor.codec.instances import PythonType
from torpor.codec.reducers import exactly
from torpor.errors import SerializationError

_NOTHING = "None"  # in the place of a factory or a length that there is not

_FACTORIES = {
    class_path(cls): cls
    for cls in (
        *(bool, bytes, bytearray, complex, dict, float, frozenset, int, list, set, str, tuple),
        *(Counter, Decimal, OrderedDict, deque),
    )
}
"""What a defaultdict that was read may call: nothing that does something."""


def _checked(kind: type, data: object) -> Any:
    if not isinstance(data, kind):
        raise TypeError(f"its data are a {type(data).__name__}")
    return data


def _mapping_type(cls: type[Any]) -> PythonType:
    """Return the kind of a dict with another name: an object or Map to JavaScript."""

    def fill(begun: Any, data: object) -> None:
        begun.update(_checked(dict, data))

    return PythonType(
        cls.__name__,
        exactly(cls),
        lambda value: dict(value),  # noqa: PLW0108  # dict itself would take more than one argument
        lambda data, _: cls(_checked(dict, data)),
        begin=lambda _: cls(),
        fill=fill,
    )


def _factory_path(value: defaultdict[Any, Any]) -> str:
    if value.default_factory is None:
        return _NOTHING
    for path, factory in _FACTORIES.items():
        if factory is value.default_factory:
            return path
    raise SerializationError(
        f"its default_factory is {value.default_factory!r}, which cannot be stored; use one of Python's own types, "
        "such as list or int, or pass a dict"
    )


def _begin_defaultdict(path: str) -> defaultdict[Any, Any]:
    if path != _NOTHING and path not in _FACTORIES:
        raise SerializationError(f"a stored defaultdict makes its defaults with {path}, which is refused")
    return defaultdict(_FACTORIES.get(path))


def _decode_defaultdict(data: object, path: str) -> defaultdict[Any, Any]:
    begun = _begin_defaultdict(path)
    begun.update(_checked(dict, data))
    return begun


def _begin_deque(path: str) -> deque[Any]:
    return deque(maxlen=None if path == _NOTHING else int(path))


def _decode_deque(data: object, path: str) -> deque[Any]:
    begun = _begin_deque(path)
    begun.extend(_checked(list, data))
    return begun


def _fill_chain_map(begun: ChainMap[Any, Any], data: object) -> None:
    begun.maps = [_checked(dict, member) for member in _checked(list, data)] or [{}]


def _decode_chain_map(data: object, _: str) -> ChainMap[Any, Any]:
    begun: ChainMap[Any, Any] = ChainMap()
    _fill_chain_map(begun, data)
    return begun


def _fill_namespace(begun: SimpleNamespace, data: object) -> None:
    vars(begun).update(_checked(dict, data))


COLLECTION_TYPES = (
    _mapping_type(OrderedDict),
    _mapping_type(Counter),
    PythonType(
        "defaultdict",
        exactly(defaultdict),
        dict,
        _decode_defaultdict,
        _factory_path,
        _begin_defaultdict,
        lambda begun, data: begun.update(_checked(dict, data)),
    ),
    PythonType(
        "deque",
        exactly(deque),
        list,
        _decode_deque,
        lambda value: str(value.maxlen),
        _begin_deque,
        lambda begun, data: begun.extend(_checked(list, data)),
    ),
    PythonType(
        "ChainMap",
        exactly(ChainMap),
        lambda value: list(value.maps),
        _decode_chain_map,
        begin=lambda _: ChainMap(),
        fill=_fill_chain_map,
    ),
    PythonType(
        "SimpleNamespace",
        exactly(SimpleNamespace),
        lambda value: dict(vars(value)),
        lambda data, _: SimpleNamespace(**_checked(dict, data)),
        begin=lambda _: SimpleNamespace(),
        fill=_fill_namespace,
    ),
)
"""The kinds, in match order."""
