"""Converters to collections, and to what their members are declared to be."""

from __future__ import annotations

import collections
from collections import abc
from collections.abc import Callable, Iterable
from typing import Any

from torpor.codec.typing.conversion import Converter, ConverterOf, Unfit, name_of, unfit

_EXACT = (str, int, float, bool, bytes)
_REBUILT = (list, tuple, set, frozenset, collections.deque)

# What a collection may be made of: JavaScript has arrays for nearly all of them.
_SOURCES: dict[Any, tuple[type, ...]] = {
    list: (tuple, collections.deque),
    tuple: (list,),
    set: (list, tuple, frozenset),
    frozenset: (list, tuple, set),
    collections.deque: (list, tuple),
    abc.Set: (list, tuple),
    abc.MutableSet: (list, tuple, frozenset),
    abc.Sequence: (),
    abc.MutableSequence: (tuple,),
    abc.Collection: (),
    abc.Iterable: (),
}
_MADE_AS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    abc.Set: frozenset,
    abc.MutableSet: set,
    abc.MutableSequence: list,
}

_MAPPINGS = (dict, collections.OrderedDict, collections.Counter, abc.Mapping, abc.MutableMapping)


def container_converter(cls: Any, args: tuple[Any, ...], of: ConverterOf) -> Converter | None:
    """Return the converter to a collection, None for any other class. *of* makes those of the members."""
    if cls is tuple and args and args[-1] is not Ellipsis:
        return _fixed_tuple(() if args == ((),) else args, of)
    if cls in _SOURCES:
        return _collection(cls, args[0] if args else Any, of)
    if cls is collections.Counter:
        return _mapping(cls, args[0] if args else Any, int, of)
    if cls in _MAPPINGS:
        key, member = args if len(args) == 2 else (Any, Any)
        return _mapping(cls, key, member, of)
    return None


def _collection(cls: Any, member: Any, of: ConverterOf) -> Converter:
    sources, make, convert_member = _SOURCES[cls], _MADE_AS.get(cls, cls), of(member)
    exactly = {member} if member in _EXACT else None
    # To know without looking at each: these are what they are declared to be.
    expected = name_of(cls) if member is Any else f"{name_of(cls)}[{name_of(member)}]"

    def convert(value: Any) -> Any:
        fits = isinstance(value, cls)
        if not fits and not isinstance(value, sources):
            raise unfit(expected, value)
        members: Iterable[Any] = value
        if member is not Any and isinstance(value, _REBUILT) and not (exactly and exactly.issuperset(map(type, value))):
            members = _converted(value, convert_member)
        if fits:
            # A list or set of which nothing changed is the caller's own.
            return value if members is value else (make if type(value) not in _REBUILT else type(value))(members)
        try:
            return make(members)
        except TypeError as error:
            raise unfit(expected, value, str(error)) from None

    return convert


def _converted(value: Iterable[Any], convert_member: Converter) -> Iterable[Any]:
    """Return the converted members, or the value itself if nothing changed."""
    members = []
    is_same = True
    for at, member in enumerate(value):
        try:
            members.append(convert_member(member))
        except Unfit as problem:
            raise problem.inside(f"[{at}]") from None
        is_same = is_same and members[-1] is member
    return value if is_same else members


def _fixed_tuple(args: tuple[Any, ...], of: ConverterOf) -> Converter:
    converters = [of(arg) for arg in args]
    expected = f"tuple[{', '.join(map(name_of, args)) or '()'}]"

    def convert(value: Any) -> Any:
        if not isinstance(value, tuple | list) or len(value) != len(converters):
            raise unfit(expected, value)
        members = []
        for at, (convert_member, member) in enumerate(zip(converters, value, strict=True)):
            try:
                members.append(convert_member(member))
            except Unfit as problem:
                raise problem.inside(f"[{at}]") from None
        is_same = isinstance(value, tuple) and all(map(_is, members, value))
        return value if is_same else tuple(members)

    return convert


def _mapping(cls: Any, key: Any, member: Any, of: ConverterOf) -> Converter:
    make = cls if cls not in (abc.Mapping, abc.MutableMapping) else dict
    convert_key, convert_member = _key(of(key)), of(member)
    expected = name_of(cls) if (key, member) == (Any, Any) else f"{name_of(cls)}[{name_of(key)}, {name_of(member)}]"

    def convert(value: Any) -> Any:
        fits = isinstance(value, cls)
        if not fits and not isinstance(value, dict):
            raise unfit(expected, value)
        if fits and (key, member) == (Any, Any):
            return value
        members = {}
        is_same = fits
        for name, one in value.items():
            try:
                members[convert_key(name)] = converted = convert_member(one)
            except Unfit as problem:
                raise problem.inside(f"[{name!r}]") from None
            is_same = is_same and converted is one
        if is_same and all(map(_is, members, value)):
            return value
        return make(members)

    return convert


def _key(convert: Converter) -> Converter:
    """Return the converter to keys; those of JavaScript's objects are text, where a number may be meant."""

    def convert_key(value: Any) -> Any:
        try:
            return convert(value)
        except Unfit as problem:
            number = _number(value) if type(value) is str else None
            if number is None:
                raise
            try:
                return convert(number)
            except Unfit:
                raise problem from None

    return convert_key


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return None


def _is(one: object, other: object) -> bool:
    return one is other
