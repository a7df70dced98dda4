"""
Steps in Python as the application's own process has them: the functions that they were, which can be called as ever.

What is added is ``with_options``, which says how single calls of a step differ from what its decorator says.
"""

from __future__ import annotations

import functools
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar, Unpack, overload

from torpor.codec.types.classes import class_path
from torpor.codec.types.references import method_on, recognise, reference_of, with_bound
from torpor.codec.values import StepFunction
from torpor.engine.step_definition import StepDefinition
from torpor.engine.step_functions import as_called, on_object
from torpor.engine.streams import ReadableStream
from torpor.retries import StepOptions, travelling

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)

_THIS = "boundThis"
_BOUND = "boundArgs"
_OPTIONS = "options"


class Step(Protocol[P, R_co]):
    """
    What a step is to type checkers.

    A ``def`` becomes awaitable, because workflows await it. Called outside of one it still returns its value at once. A
    class method keeps its own type when it is registered behind its class, ``app.step(Shop.open)``; decorated inside,
    type checkers miss an argument for the class.
    """

    __name__: str
    __qualname__: str

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def with_options(self, **options: Unpack[StepOptions]) -> Step[P, R_co]:
        """
        Return the step as calls of a workflow may want it: ``await charge.with_options(max_retries=0)(order)``.

        Outside of workflows a call of it is a call of the function; nothing is tried again there.

        Args:
            options: what differs from the step's own, see :class:`torpor.retries.StepOptions`.

        Raises:
            ConfigurationError: there is no such option, or it has no such value.
        """
        ...

    @overload
    def __get__(self, instance: None, owner: Any, /) -> Self: ...

    @overload
    def __get__(self: Step[Concatenate[S, Q], R], instance: S, owner: Any, /) -> BoundStep[Q, R]: ...


class BoundStep(Protocol[P, R_co]):
    """
    What a step that is a method is on an object.

    It has no ``with_options``, which could not know the object: ``Order.pay.with_options(…)(order, cents)``.
    """

    __name__: str
    __qualname__: str

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class StepDecorator(Protocol):
    """What ``@registry.step(…)`` does to types."""

    @overload
    def __call__(self, function: Callable[P, AsyncIterator[R]], /) -> Step[P, ReadableStream[R]]: ...

    @overload
    def __call__(self, function: Callable[P, Iterator[R]], /) -> Step[P, ReadableStream[R]]: ...

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...


class StepWithOptions:
    """
    A step as some calls want it; a call of it here is a call of the function.

    Args:
        function: the step's.
        options: as they travel.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.function = function
        self.options = dict(options)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return as_called(self.function)(*args, **kwargs)

    def with_options(self, **options: Unpack[StepOptions]) -> StepWithOptions:
        """Return the step with these options as well."""
        return StepWithOptions(self.function, {**self.options, **travelling(options, class_path)})


def offer_options(function: Callable[..., Any]) -> None:
    """Let a step's function have ``with_options``."""

    def with_options(**options: Unpack[StepOptions]) -> StepWithOptions:
        return StepWithOptions(function, {}).with_options(**options)

    with suppress(AttributeError):  # some callables take no attributes
        function.with_options = with_options  # type: ignore[attr-defined]  # that is how


def function_of(reference: StepFunction, definition: StepDefinition | None) -> object:
    """
    Return the function that a step is which arrived as a value, with the arguments and options that it carries.

    The reference itself if it is not defined here, or if it carries what only JavaScript has: a closure.
    """
    if definition is None or reference.extras.keys() - {_THIS, _BOUND, _OPTIONS}:
        return reference
    receiver = reference.extras.get(_THIS)
    function = as_called(definition.function, receiver)
    options = reference.extras.get(_OPTIONS)
    if isinstance(options, dict) and options:
        function = StepWithOptions(definition.function, options)
    bound = on_object(definition.function, receiver, reference.extras.get(_BOUND, ()))
    return functools.partial(function, *bound) if bound else function


def _bound(step: functools.partial[object]) -> StepFunction | None:
    """Return what stands for a step with arguments bound by position, so that it may be passed on."""
    reference = reference_of(step.func)
    if not isinstance(reference, StepFunction) or step.keywords:
        return None
    return with_bound(reference, step.args)


def _method(step: types.MethodType) -> StepFunction | None:
    reference = reference_of(step.__func__)
    return method_on(reference, step.__self__) if isinstance(reference, StepFunction) else None


def _optional(step: StepWithOptions) -> StepFunction | None:
    reference = reference_of(step.function)
    if not isinstance(reference, StepFunction):
        return None
    return StepFunction(reference.step_id, {_OPTIONS: step.options} if step.options else {})


recognise(functools.partial, _bound)
recognise(types.MethodType, _method)
recognise(StepWithOptions, _optional)
