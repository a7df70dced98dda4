"""Annotation → what converts values to it."""

from __future__ import annotations

import sys
import types
import typing
from abc import ABCMeta
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NewType, NotRequired, Required, TypeVar, Union, get_args, get_origin

from torpor.codec.container_converters import container_converter
from torpor.codec.conversion import Converter, Unfit, name_of, unfit
from torpor.codec.record_converters import pydantic_converter, record_converter
from torpor.codec.scalar_converters import SCALARS, enum_converter

_ALIAS = getattr(typing, "TypeAliasType", ())  # what ``type X = …`` makes since Python 3.12
_TRANSPARENT = (Required, NotRequired, Final, getattr(typing, "ReadOnly", None))


def converter(annotation: Any) -> Converter:
    """Return what converts to an annotation; made once for each."""
    try:
        return _remembered(annotation)
    except TypeError:  # it cannot be hashed, as with a list in the metadata of an Annotated
        return _converter(annotation)


def _converter(annotation: Any) -> Converter:  # noqa: PLR0911 - one for each form
    if annotation is None or annotation is type(None):
        return _none
    if annotation is Any or annotation is object:
        return _unchanged
    if isinstance(annotation, NewType):
        return converter(annotation.__supertype__)
    if isinstance(annotation, _ALIAS):
        return _alias(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return pydantic_converter(annotation) if _is_for_pydantic(args[1:]) else converter(args[0])
    if origin in _TRANSPARENT and args:
        return converter(args[0])
    if origin is Literal:
        return _literal(annotation, args)
    if origin in (Union, types.UnionType):
        return _union(annotation, args)
    if isinstance(annotation, TypeVar) or not isinstance(origin or annotation, type):
        return _unchanged
    return _class(annotation, origin or annotation, args)


_remembered = lru_cache(maxsize=4096)(_converter)


def _alias(annotation: Any) -> Converter:
    def convert(value: Any) -> Any:
        return converter(annotation.__value__)(value)  # looked up when it is needed: an alias may name itself

    return convert


def _class(annotation: Any, cls: type, args: tuple[Any, ...]) -> Converter:
    found = SCALARS.get(cls) or container_converter(cls, args, converter)
    if found is None and issubclass(cls, Enum):
        found = enum_converter(cls)
    if found is None:
        found = record_converter(annotation, converter)
    if found is not None:
        return found
    # An abstract class or protocol says what a value can do, not what it is; a type is no value.
    return _unchanged if isinstance(cls, ABCMeta) or cls is type else _instance(cls)


def _instance(cls: type) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, cls):
            raise unfit(cls.__qualname__, value)
        return value

    return convert


def _unchanged(value: Any) -> Any:
    return value


def _none(value: Any) -> Any:
    if value is not None:
        raise unfit("None", value)
    return value


def _literal(annotation: Any, choices: tuple[Any, ...]) -> Converter:
    def convert(value: Any) -> Any:
        if any(type(choice) is type(value) and choice == value for choice in choices):
            return value
        for choice in choices:
            if isinstance(choice, Enum) and choice.value == value:
                return choice
        raise unfit(name_of(annotation), value)

    return convert


def _union(annotation: Any, arms: tuple[Any, ...]) -> Converter:
    """Return the converter to the arm that the value fits as it is, else to the first that it can be converted to."""
    converters = [converter(arm) for arm in arms]
    only = next((arm for arm in arms if arm is not type(None)), None) if type(None) in arms and len(arms) == 2 else None

    def convert(value: Any) -> Any:
        made = []
        problems = []
        for convert_to in converters:
            try:
                one = convert_to(value)
            except Unfit as problem:
                problems.append(problem)
                continue
            if one is value:
                return value
            made.append(one)
        if made:
            return made[0]
        # Of ``Order | None`` the complaint of Order tells more.
        deepest = max(problems, key=lambda problem: len(problem.path))
        if deepest.path or only is not None:
            raise deepest
        raise unfit(name_of(annotation), value)

    return convert


def _is_for_pydantic(metadata: tuple[Any, ...]) -> bool:
    rooms = {type(item).__module__.partition(".")[0] for item in metadata}
    return "pydantic" in sys.modules and bool(rooms & {"pydantic", "annotated_types"})
