"""
Step functions, workflows, run handles and streams as values.

They are no data: on the wire stands which one is meant. The surrounding program says once, by class, what stands for
its own objects (:func:`recognise`, :func:`name_step`), and, for all reading or for one, what a reference becomes
(:func:`revive_with`, :func:`reviving`). Without that, what is read is the reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import FunctionType
from typing import Any, Protocol

from torpor.codec.types.classes import reference_to
from torpor.codec.values import (
    AbortSignal,
    ReadableStream,
    RunReference,
    StepFunction,
    WorkflowFunction,
    WritableStream,
)
from torpor.codec.wire.reducers import forget_classes

Reference = StepFunction | WorkflowFunction | RunReference | ReadableStream | WritableStream | AbortSignal

_STEP_ID = "__torpor_step_id__"


class References(Protocol):
    """What references become where they are read; each method may return the reference itself."""

    def step(self, reference: StepFunction) -> object: ...

    def workflow(self, reference: WorkflowFunction) -> object: ...

    def run(self, reference: RunReference) -> object: ...

    def readable(self, reference: ReadableStream) -> object: ...

    def writable(self, reference: WritableStream) -> object: ...

    def signal(self, reference: AbortSignal) -> object: ...


class AsTheyAre:
    """References stay what they are."""

    def step(self, reference: StepFunction) -> object:
        return reference

    def workflow(self, reference: WorkflowFunction) -> object:
        return reference

    def run(self, reference: RunReference) -> object:
        return reference

    def readable(self, reference: ReadableStream) -> object:
        return reference

    def writable(self, reference: WritableStream) -> object:
        return reference

    def signal(self, reference: AbortSignal) -> object:
        return reference


_everywhere: References = AsTheyAre()
_here: ContextVar[References | None] = ContextVar("torpor-references", default=None)
_recognisers: dict[type, Callable[[Any], Reference | None]] = {}


def recognise(cls: type, reference: Callable[[Any], Reference | None]) -> None:
    """Say what stands for values of a class and its subclasses; None for a value that nothing stands for."""
    _recognisers[cls] = reference
    forget_classes()


def name_step(function: Callable[..., Any], step_id: str) -> None:
    """
    Say which step a function is, so that it may be a value.

    Raises:
        AttributeError: a callable that takes no attributes, such as a bound method; it cannot be a value then.
    """
    setattr(function, _STEP_ID, step_id)


def revive_with(references: References) -> None:
    """Say what references become wherever this process reads them."""
    global _everywhere  # noqa: PLW0603  # one program, one way
    _everywhere = references


class reviving:  # noqa: N801  # a block, as of a function; a generator's costs each step ten times as much
    """Say what references become while the block reads."""

    __slots__ = ("_references", "_token")

    def __init__(self, references: References) -> None:
        self._references = references

    def __enter__(self) -> None:
        self._token = _here.set(self._references)

    def __exit__(self, *_: object) -> None:
        _here.reset(self._token)


def revivers() -> References:
    """Return what makes the values of references that are read here."""
    return _here.get() or _everywhere


def with_bound(step: StepFunction, args: Iterable[object]) -> StepFunction:
    """Return a step that carries more arguments, which stand before those of its calls."""
    bound = [*step.extras.get("boundArgs", ()), *args]
    return StepFunction(step.step_id, {**step.extras, "boundArgs": bound} if bound else step.extras)


def method_on(step: StepFunction, receiver: object) -> StepFunction:
    """Return a step that is a method, as the value that it is on an object or on a class."""
    if isinstance(receiver, type):
        return StepFunction(step.step_id, {**step.extras, "boundThis": reference_to(receiver)})
    return with_bound(step, [receiver])


def is_recognised(cls: type) -> bool:
    """Tell whether values of a class may be references."""
    return any(base in _recognisers for base in cls.__mro__)


def reference_of(value: Any) -> Reference | None:
    """Return what stands for a value, if anything does."""
    if isinstance(value, Reference):
        return value
    found = next((_recognisers[base] for base in type(value).__mro__ if base in _recognisers), None)
    return None if found is None else found(value)


def _named_step(function: FunctionType) -> StepFunction | None:
    step_id = vars(function).get(_STEP_ID)
    return None if step_id is None else StepFunction(step_id)


_recognisers[FunctionType] = _named_step
