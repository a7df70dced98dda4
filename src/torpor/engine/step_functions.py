"""
Which functions may be steps, and what is called when one of them is to run.

A step is found by its file and its qualified name, in every process and in every program that knows it. So it stands
in a module or in a class there; what exists in one process only, a closure or a method of one object, cannot be one.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from torpor.codec.types.classes import class_meant, find_class, importable_name
from torpor.codec.typing.annotations import convert
from torpor.codec.values import ClassReference
from torpor.errors import ConfigurationError, FatalError


def step_function(step: object) -> Callable[..., Any]:
    """
    Return the function that a step is made of: of a static method or a class method the one beneath.

    Raises:
        ConfigurationError: it cannot be a step; the message says why and what to do.
    """
    found: Any = step.__func__ if isinstance(step, staticmethod | classmethod) else step
    if inspect.ismethod(found) and isinstance(found.__self__, type):
        found = found.__func__
    name = getattr(found, "__qualname__", None) or f"a {type(found).__name__}"
    plain = inspect.unwrap(found) if callable(found) else found
    why = _why_not(plain)
    if why:
        raise ConfigurationError(f"{name} cannot be a step: {why}")
    function: Callable[..., Any] = found
    return function


def _why_not(plain: Any) -> str:  # noqa: PLR0911  # one return, one reason
    if inspect.ismethod(plain):
        owner = type(plain.__self__).__qualname__
        return (
            f"it is a method of one {owner}, which other processes do not have; decorate it in its class, and await it "
            f"on a {owner} that is a value, such as a dataclass"
        )
    if isinstance(plain, functools.partial):
        return "a partial has no name of its own; write a `def` that calls the function, and decorate that"
    if inspect.isclass(plain):
        return "it is a class; write a `def` that makes the object, and decorate that"
    if inspect.isbuiltin(plain):
        return "it is built into Python and has no source; write a `def` that calls it, and decorate that"
    if inspect.iscoroutine(plain):
        plain.close()
        return "it is a call; decorate the function itself"
    if not isinstance(plain, types.FunctionType):
        return f"it is {plain!r} and no function; write a `def`, and decorate that"
    if "<lambda>" in plain.__qualname__:
        return "a lambda has no name of its own; write a `def` at module level"
    if "<locals>" in plain.__qualname__:
        maker = plain.__qualname__.partition(".<locals>")[0]
        return (
            f"it is made anew by each call of {maker}, so that its name means no one function; move it to module level "
            f"and pass what it needs as arguments; if {maker} is a decorator, let it use functools.wraps"
        )
    return ""


def _home(function: Callable[..., Any]) -> tuple[type, object] | None:
    """Return the class that a step stands in, and what it is there; None elsewhere, and for a method of one object."""
    plain = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    above, _, name = plain.__qualname__.rpartition(".")
    if not above or inspect.ismethod(plain):
        return None
    owner = find_class(f"{importable_name(plain.__module__)}:{above}")
    return None if owner is None else (owner, vars(owner).get(name))


def class_of_object(function: Callable[..., Any]) -> type | None:
    """Return the class whose objects a step is called on; None for what is no method, or a method of one object."""
    home = _home(function)
    return home[0] if home is not None and isinstance(home[1], types.FunctionType) else None


def on_object(function: Callable[..., Any], receiver: object, args: Sequence[Any]) -> Sequence[Any]:
    """
    Return the arguments of a step with the object first that it is called on, which JavaScript may pass as a receiver:
    an object of the method's class, whatever it is written as. Steps that are no methods of objects have no receiver.

    Raises:
        ArgumentError: it is no such object.
    """
    owner = class_of_object(function)
    if owner is None:
        return args
    if receiver is not None and not isinstance(receiver, ClassReference):
        args = [receiver, *args]
    return [convert(args[0], owner, f"the object of step {function.__qualname__}"), *args[1:]] if args else args


def as_called(function: Callable[..., Any], receiver: object = None) -> Callable[..., Any]:
    """
    Return what is called with a step's arguments: the function, or a class method of its class.

    Args:
        function: the step's.
        receiver: the class that the step was called on, if that was told; the one that defines it otherwise.

    Raises:
        FatalError: the receiver is not loaded here, or is no subclass of the class that defines the step.
    """
    home = _home(function)
    if home is None or not isinstance(home[1], classmethod):
        return function
    owner = home[0]
    if not isinstance(receiver, ClassReference):
        return types.MethodType(function, owner)
    found = class_meant(receiver, owner)
    if found is None:
        raise FatalError(
            f"{function.__qualname__} was called on {receiver.class_id}, which is not loaded here or is no "
            f"{owner.__qualname__}; import the module that defines that class"
        )
    return types.MethodType(function, found)
