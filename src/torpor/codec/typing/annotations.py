"""
Values as annotations want them: what JavaScript passes as a plain object becomes the dataclass, enum or Decimal that a
parameter is declared to be.

A value that fits stays the very object that it is. So does everything under an annotation that gives nothing to go by:
``Any``, a type variable, a protocol, an abstract class, a name that cannot be resolved.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from abc import ABCMeta
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Literal, NewType, NotRequired, Required, TypeVar, Union, get_args, get_origin

from torpor.codec.typing.containers import container_converter
from torpor.codec.typing.conversion import Converter, Unfit, name_of, unfit
from torpor.codec.typing.hints import hints_of
from torpor.codec.typing.records import pydantic_converter, record_converter
from torpor.codec.typing.scalars import SCALARS, enum_converter
from torpor.errors import ArgumentError

_ALIAS = getattr(typing, "TypeAliasType", ())  # what ``type X = …`` makes since Python 3.12
_TRANSPARENT = (Required, NotRequired, Final, getattr(typing, "ReadOnly", None))


def convert(value: Any, annotation: Any, what: str = "the value") -> Any:
    """
    Return a value as an annotation wants it; the very same object if it fits already.

    Args:
        annotation: a type, generic alias, union or other form of :mod:`typing`, resolved.
        what: the value as the error shall call it.

    Raises:
        ArgumentError: it neither fits nor can be converted; names the path, what was expected and what was found.
    """
    return _converted(value, converter(annotation), name_of(annotation), what)


def convert_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], what: str
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """
    Return the arguments of a call as the function's annotations want them.

    Args:
        function: what will be called; a decorated one is looked at beneath its decorators.
        what: the function as the error shall call it, such as ``step charge``.

    Raises:
        ArgumentError: the function does not take these arguments, or one neither fits its annotation nor can be
            converted; names the parameter, the path in it, what was expected and what was found.
    """
    parameters = _parameters if isinstance(function, Hashable) else _parameters.__wrapped__
    return parameters(function).convert(args, kwargs, what)


class _Parameters:
    """What a function takes, looked up once."""

    def __init__(self, signature: Signature | None, converters: Mapping[str, Converter]) -> None:
        self._signature = signature
        self._converters = converters
        self._positional = positional = _positional(signature)
        self._required = sum(parameter.default is Parameter.empty for parameter in positional or ())

    def convert(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], what: str
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        if self._signature is None:
            return args, kwargs
        positional = self._positional
        if positional is not None and not kwargs and self._required <= len(args) <= len(positional):  # it binds
            return tuple([self._one(*one, what) for one in zip(positional, args, strict=False)]), kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            count = f"{len(args)} argument{'s' * (len(args) != 1)}"
            named = f" and {', '.join(f'{name}=' for name in kwargs)}" if kwargs else ""
            raise ArgumentError(f"{what} was called with {count}{named}: {error}") from None
        if not self._converters:
            return args, kwargs
        for name, given in bound.arguments.items():
            if name in self._converters:
                bound.arguments[name] = self._argument(self._signature.parameters[name], given, what)
        return bound.args, bound.kwargs

    def _argument(self, parameter: Parameter, given: Any, what: str) -> Any:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return tuple(self._one(parameter, value, what, f"[{at}]") for at, value in enumerate(given))
        if parameter.kind is Parameter.VAR_KEYWORD:
            return {name: self._one(parameter, value, what, f"[{name!r}]") for name, value in given.items()}
        return self._one(parameter, given, what)

    def _one(self, parameter: Parameter, value: Any, what: str, place: str = "") -> Any:
        convert = self._converters.get(parameter.name)
        if convert is None or value is parameter.default:
            return value
        return _converted(value, convert, "its annotation", what, f", argument {parameter.name!r}{place}")


def _positional(signature: Signature | None) -> tuple[Parameter, ...] | None:
    """Return the parameters of a function all of which may be given by position; None of any other function."""
    if signature is None:
        return None
    parameters = tuple(signature.parameters.values())
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return parameters if all(parameter.kind in kinds for parameter in parameters) else None


def _converted(value: Any, convert: Converter, expected: str, what: str, where: str = "") -> Any:
    try:
        return convert(value)
    except Unfit as unfit:
        raise ArgumentError(f"{what}{where}{unfit.path}: {unfit.told}") from None
    except RecursionError:
        raise ArgumentError(f"{what}{where} nests too deep to be converted to {expected}") from None


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> _Parameters:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return _Parameters(None, {})  # a callable that does not tell; the call will
    plain = inspect.unwrap(function)
    hints = hints_of(plain if inspect.isroutine(plain) else type(plain).__call__)
    return _Parameters(
        signature, {name: converter(hints[name]) for name in signature.parameters if hints.get(name, Any) is not Any}
    )


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
