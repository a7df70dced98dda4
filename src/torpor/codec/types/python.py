"""Python's own types: tuples, exact numbers, times, ids, paths, and the collections of its standard library."""

from __future__ import annotations

from array import array
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from torpor.codec.types.classes import class_path
from torpor.codec.types.datetimes import parse_timed, timed_text, zone_named
from torpor.codec.types.references import is_recognised, reference_of, revivers
from torpor.codec.values import Kwargs, RunReference
from torpor.codec.wire.bounds import check_keys
from torpor.codec.wire.reducers import PASS, Pass, PythonType, exactly
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


def _value_type(cls: type, wire: type, encode: Callable[[Any], object], decode: Callable[[Any], object]) -> PythonType:
    """Return a kind that is one class and bears its name; *wire* is the type of its data."""

    def checked(data: object, _: str) -> object:
        if not isinstance(data, wire):
            raise TypeError(f"the data of a {cls.__name__} is a {type(data).__name__}")
        return decode(data)

    return PythonType(cls.__name__, exactly(cls), encode, checked)


def _encode_array(value: array[Any]) -> bytes:
    if value.typecode != "B":  # every other number type has a typed array of its own
        raise SerializationError(f"an array of type {value.typecode!r} cannot be stored; make it a str or a list")
    return value.tobytes()


def _encode_memoryview(value: memoryview) -> bytes:
    if value.format != "B" or value.ndim != 1:
        raise SerializationError(f"a memoryview of format {value.format!r} cannot be stored; use its cast('B')")
    return bytes(value)


def _decode_fraction(text: str) -> Fraction:
    # Not the constructor's own reading, to which "1e999999999" is a Fraction too.
    numerator, denominator = map(int, text.split("/"))
    return Fraction(numerator, denominator)


def _encode_timezone(value: timezone) -> list[object]:
    return [value.utcoffset(None), value.tzname(None)]


def _decode_timezone(data: list[Any]) -> timezone:
    offset, name = data
    unnamed = timezone(offset)
    return unnamed if unnamed.tzname(None) == name else timezone(offset, name)


def _encode_zone(value: ZoneInfo) -> str:
    if value.key is None:
        raise SerializationError("a ZoneInfo without a key cannot be stored; make it by ZoneInfo(key)")
    return value.key


def _encode_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _decode_timedelta(data: list[int]) -> timedelta:
    days, seconds, microseconds = data
    return timedelta(days, seconds, microseconds)


def _decode_range(data: list[int]) -> range:
    start, stop, step = data
    return range(start, stop, step)


def _decode_complex(data: list[float]) -> complex:
    real, imaginary = data
    return complex(real, imaginary)


def _decode_frozenset(data: list[Any]) -> frozenset[Any]:
    check_keys(data)
    return frozenset(data)


def _encode_run(value: object) -> dict[str, str] | Pass:
    run = reference_of(value)
    return {"runId": run.run_id} if isinstance(run, RunReference) else PASS


def _decode_run(data: object, _: str) -> object:
    match data:
        case {"runId": str(run_id)}:
            return revivers().run(RunReference(run_id))
    raise TypeError(f"the data of a run is {data!r:.100}")


def _decode_kwargs(data: object, _: str) -> Kwargs:
    if type(data) is not dict:
        raise TypeError(f"keyword arguments are a {type(data).__name__}")
    return Kwargs(data)


VALUE_TYPES = (
    _value_type(tuple, list, list, tuple),
    _value_type(frozenset, list, list, _decode_frozenset),
    _value_type(range, list, lambda value: [value.start, value.stop, value.step], _decode_range),
    _value_type(complex, list, lambda value: [value.real, value.imag], _decode_complex),
    _value_type(timedelta, list, _encode_timedelta, _decode_timedelta),
    _value_type(bytearray, bytes, bytes, bytearray),
    _value_type(array, bytes, _encode_array, lambda data: array("B", data)),
    _value_type(memoryview, bytes, _encode_memoryview, memoryview),
    _value_type(Fraction, str, lambda value: f"{value.numerator}/{value.denominator}", _decode_fraction),
    _value_type(timezone, list, _encode_timezone, _decode_timezone),
    _value_type(ZoneInfo, str, _encode_zone, zone_named),
    _value_type(Decimal, str, str, Decimal),
    _value_type(UUID, str, str, UUID),
    *[
        _value_type(cls, str, str, cls)
        for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
    ],
    _value_type(datetime, str, timed_text, lambda data: parse_timed(data, datetime)),
    _value_type(time, str, timed_text, lambda data: parse_timed(data, time)),
    _value_type(date, str, date.isoformat, date.fromisoformat),
    _value_type(PurePosixPath, str, str, PurePosixPath),
    _value_type(PureWindowsPath, str, str, PureWindowsPath),
    PythonType("Path", exactly(type(Path())), str, lambda data, _: Path(data)),
    PythonType("kwargs", exactly(Kwargs), dict, _decode_kwargs),
    PythonType("class//torpor//Run", lambda cls: cls is RunReference or is_recognised(cls), _encode_run, _decode_run),
)
"""The kinds that are one class each."""


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
