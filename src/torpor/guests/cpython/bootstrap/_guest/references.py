"""Step proxies, workflow functions and run handles as values: what stands for them where they are stored."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Any, TypeVar

from torpor.codec.types import references
from torpor.codec.values import ReadableStream, RunReference, StepFunction, WorkflowFunction, WritableStream

_MARK = "__torpor_reference__"

F = TypeVar("F")


def stands_for(reference: StepFunction | WorkflowFunction, function: F) -> F:
    """Let a function be stored as a reference, and return it."""
    setattr(function, _MARK, reference)
    return function


def reference_of(function: Any) -> StepFunction | WorkflowFunction | None:
    """Return what a function is stored as, if it may be."""
    found: StepFunction | WorkflowFunction | None = getattr(function, _MARK, None)
    return found


class _InWorkflows(references.AsTheyAre):
    """What references become in workflow code."""

    def step(self, reference: StepFunction) -> object:
        from .steps import revived  # noqa: PLC0415  # steps need the codec, which needs this

        return revived(reference)

    def run(self, reference: RunReference) -> object:
        from .children import RunHandle  # noqa: PLC0415  # as above

        return RunHandle(reference.run_id)

    def readable(self, reference: ReadableStream) -> object:
        from .streams import ReadableStream as Readable  # noqa: PLC0415  # as above

        return Readable(reference) if _names_a_stream(reference) else reference

    def writable(self, reference: WritableStream) -> object:
        from .streams import WritableStream as Writable  # noqa: PLC0415  # as above

        return Writable(reference) if _names_a_stream(reference) else reference


def _names_a_stream(reference: ReadableStream | WritableStream) -> bool:
    """Tell whether a stream is a run's; the body of a request is none that anybody could open again."""
    return isinstance(reference.fields.get("name"), str)


def _of_partial(step: partial[Any]) -> StepFunction | None:
    reference = references.reference_of(step.func)
    if not isinstance(reference, StepFunction) or step.keywords:
        return None
    return references.with_bound(reference, step.args)


def _of_method(step: MethodType) -> StepFunction | None:
    reference = reference_of(step.__func__)
    return references.method_on(reference, step.__self__) if isinstance(reference, StepFunction) else None


def install() -> None:
    """Teach the codec."""
    references.recognise(partial, _of_partial)
    references.recognise(MethodType, _of_method)
    references.recognise(FunctionType, reference_of)
    references.revive_with(_InWorkflows())
