"""
Signatures as text: what a step or a workflow takes, to be stored, compared and checked where its function is not.

The text is a parameter list as Python writes one, without annotations and with ``...`` for each default:
``(order, cents=..., *, gift)``. An empty text stands for a signature that is not known; it takes everything.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from inspect import Parameter, Signature
from typing import Any, Final

_BY_POSITION: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class _Default:
    """Stands for whatever a parameter is when it is not given."""

    def __repr__(self) -> str:
        return "..."


_DEFAULT: Final = _Default()


def signature_text(function: Callable[..., Any]) -> str:
    """Return the text of a function's signature; of a callable that does not tell, an empty one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ""
    return str(Signature([_parameter(each.name, each.kind, each.default is not each.empty) for each in parameters]))


def bind(text: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """
    Return arguments as they fit a signature: as many as can be by position.

    Raises:
        TypeError: they do not fit; says why, as Python does.
    """
    signature = _signature(text)
    if signature is None:
        return args, kwargs
    parameters = signature.parameters.values()
    hidden: dict[str, Any] = {}
    if any(each.kind is Parameter.VAR_KEYWORD for each in parameters):
        # A name that is positional only is free for **kwargs, which inspect forgets up to Python 3.12.
        taken = {each.name for each in parameters if each.kind is Parameter.POSITIONAL_ONLY}
        hidden = {name: value for name, value in kwargs.items() if name in taken}
        kwargs = {name: value for name, value in kwargs.items() if name not in taken}
    bound = signature.bind(*args, **kwargs)
    return bound.args, {**bound.kwargs, **hidden}


def covers(new: str, old: str, *, by_name: bool = True) -> bool:
    """
    Return whether every call that fits the signature *old* fits *new* and means the same there.

    Args:
        new, old: texts; what is not known is taken to fit.
        by_name: calls may pass arguments by name; without, the names of parameters do not matter.
    """
    now, then = _signature(new), _signature(old)
    if new == old or now is None or then is None:
        return True
    after, before = _Parameters(now), _Parameters(then)
    if before.more_by_position and not after.more_by_position:
        return False
    if len(before.by_position) > len(after.by_position) and not after.more_by_position:
        return False
    if not by_name:
        return before.least() >= after.least() and (not after.must_be_named or bool(before.must_be_named))
    if before.more_by_name and not after.more_by_name:
        return False
    return (
        all(_same_place(place, each, after) for place, each in enumerate(before.by_position))
        and all(_still_named(each.name, before, after) for each in before.named_only)
        and all(_was_required(place, each, before) for place, each in enumerate(after.by_position))
        and not (before.more_by_name and any(_may_be_given_twice(each, before) for each in _filled(before, after)))
        and after.must_be_named <= before.must_be_named
    )


class _Parameters:
    """The parameters of a signature, by how they are passed."""

    def __init__(self, signature: Signature) -> None:
        everything = list(signature.parameters.values())
        self.by_position = [each for each in everything if each.kind in _BY_POSITION]
        self.named_only = [each for each in everything if each.kind is Parameter.KEYWORD_ONLY]
        self.named = {each.name for each in everything if each.kind in _BY_NAME}
        self.must_be_named = {each.name for each in self.named_only if each.default is each.empty}
        self.more_by_position = any(each.kind is Parameter.VAR_POSITIONAL for each in everything)
        self.more_by_name = any(each.kind is Parameter.VAR_KEYWORD for each in everything)

    def least(self) -> int:
        """Return how many arguments there must be by position when there are none by name."""
        return sum(each.default is each.empty for each in self.by_position)


def _same_place(place: int, parameter: Parameter, after: _Parameters) -> bool:
    """Return whether what was passed to a parameter, by position or by name, still reaches one and the same."""
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        return True  # the count has been compared, and nobody passes it by name
    if place >= len(after.by_position):
        return after.more_by_position and after.more_by_name and parameter.name not in after.named
    found = after.by_position[place]
    return found.kind is Parameter.POSITIONAL_OR_KEYWORD and found.name == parameter.name


def _still_named(name: str, before: _Parameters, after: _Parameters) -> bool:
    """Return whether what could only be passed by name still can, whatever is passed by position beside it."""
    for place, each in enumerate(after.by_position):
        if each.name == name and each.kind is Parameter.POSITIONAL_OR_KEYWORD:
            return place >= len(before.by_position) and not before.more_by_position
    return name in after.named or after.more_by_name


def _filled(before: _Parameters, after: _Parameters) -> list[Parameter]:
    """Return the new parameters that calls may fill by position."""
    return after.by_position if before.more_by_position else after.by_position[: len(before.by_position)]


def _may_be_given_twice(parameter: Parameter, before: _Parameters) -> bool:
    """Return whether a call that fills a parameter by position may use its name for something else beside it."""
    return parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and parameter.name not in before.named


def _was_required(place: int, parameter: Parameter, before: _Parameters) -> bool:
    """Return whether a parameter may be left out, or every call had to give it."""
    if parameter.default is not parameter.empty:
        return True
    if place < len(before.by_position):
        return before.by_position[place].default is Parameter.empty
    return parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and parameter.name in before.must_be_named


@lru_cache(maxsize=4096)
def _signature(text: str) -> Signature | None:
    """Return what a text means; None for an empty one, and for one that a later version has written."""
    if not text:
        return None
    try:
        [function] = ast.parse(f"def f{text}: ...").body
    except (SyntaxError, ValueError):
        return None
    assert isinstance(function, ast.FunctionDef)
    args = function.args
    by_position = [*args.posonlyargs, *args.args]
    first_default = len(by_position) - len(args.defaults)
    found = [
        _parameter(each.arg, _BY_POSITION[place >= len(args.posonlyargs)], place >= first_default)
        for place, each in enumerate(by_position)
    ]
    if args.vararg is not None:
        found.append(Parameter(args.vararg.arg, Parameter.VAR_POSITIONAL))
    for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append(_parameter(each.arg, Parameter.KEYWORD_ONLY, default is not None))
    if args.kwarg is not None:
        found.append(Parameter(args.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(found)


def _parameter(name: str, kind: Any, may_be_left_out: bool) -> Parameter:
    return Parameter(name, kind, default=_DEFAULT if may_be_left_out else Parameter.empty)
