"""
Values as annotations want them: what JavaScript passes as a plain object becomes the dataclass, enum or Decimal that a
parameter is declared to be.

A value that fits stays the very object that it is. So does everything under an annotation that gives nothing to go by:
``Any``, a type variable, a protocol, an abstract class, a name that cannot be resolved.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter, Signature
from typing import Any

from torpor.codec.conversion import Converter, Unfit, name_of
from torpor.codec.converters import converter
from torpor.codec.hints import hints_of
from torpor.errors import ArgumentError


def convert(value: Any, annotation: Any) -> Any:
    """
    Return a value as an annotation wants it; the very same object if it fits already.

    Args:
        annotation: a type, generic alias, union or other form of :mod:`typing`, resolved.

    Raises:
        ArgumentError: it neither fits nor can be converted; names the path, what was expected and what was found.
    """
    return _converted(value, converter(annotation), name_of(annotation), "the value")


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

    def convert(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], what: str
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        if self._signature is None:
            return args, kwargs
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
        def one(value: Any, place: str) -> Any:
            if value is parameter.default:
                return value
            where = f"{what}, argument {parameter.name!r}{place}"
            return _converted(value, self._converters[parameter.name], "its annotation", where)

        if parameter.kind is Parameter.VAR_POSITIONAL:
            return tuple(one(value, f"[{at}]") for at, value in enumerate(given))
        if parameter.kind is Parameter.VAR_KEYWORD:
            return {name: one(value, f"[{name!r}]") for name, value in given.items()}
        return one(given, "")


def _converted(value: Any, convert: Converter, expected: str, where: str) -> Any:
    try:
        return convert(value)
    except Unfit as unfit:
        raise ArgumentError(f"{where}{unfit.path}: {unfit.told}") from None
    except RecursionError:
        raise ArgumentError(f"{where} nests too deep to be converted to {expected}") from None


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
