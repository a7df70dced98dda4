"""Runs that a workflow starts, and handles of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from types import GenericAlias
from typing import Any, ClassVar

from torpor.attributes import Attributes
from torpor.codec.types import references
from torpor.codec.values import Kwargs, RunReference, WorkflowFunction
from torpor.durations import Duration, When
from torpor.errors import UsageError
from torpor.starting import Cleanup, beginning

from .hooks import watch
from .references import reference_of
from .run import run
from .steps import ask
from .streams import ReadableStream, WritableStream, readable, writable

_STEP = "step//torpor//"

Workflow = str | WorkflowFunction | Callable[..., Any]


class RunHandle:
    """
    A run as another workflow sees it. It is a value: it may be an argument, a result, and cross to steps.

    Attributes:
        id: ``wrun_<ULID>``.
    """

    __slots__ = ("id",)
    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # the type of its result is for type checkers

    def __init__(self, run_id: str) -> None:
        self.id = run_id

    def __repr__(self) -> str:
        return f"RunHandle({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, RunHandle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    async def result(self) -> Any:
        """
        Wait until the run has ended and return what its workflow returned; nothing is held while it lasts.

        Raises:
            RunFailedError: it failed; the cause is what its workflow raised.
            RunCancelledError: it was cancelled.
            RunNotFoundError: there is no such run.
            UsageError: it is the run that asks.
        """
        if self.id == run.id:
            raise UsageError("a run cannot wait for its own end")
        async with watch(self.id) as ended:
            await ended
        return await _built_in("result", self.id)

    async def status(self) -> str:
        """Return ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``."""
        return await _built_in("status", self.id)  # type: ignore[no-any-return]  # the step returns a string

    def stream(self, name: str = "", *, start: int = 0, until: str = "end", attempts: str = "all") -> ReadableStream:
        """Return one of the run's streams, for steps to read; see :func:`torpor.get_readable`."""
        return readable(self.id, name, start=start, until=until, attempts=attempts)

    def writable(self, name: str = "", *, type: str = "") -> WritableStream:  # noqa: A002  # as get_writable
        """Return one of the run's streams, for steps to write to; see :func:`torpor.get_writable`."""
        return writable(self.id, name, type)

    async def cancel(self, reason: str = "", *, force: bool = False) -> None:
        """
        Cancel the run: its code is told, may clean up for a while, and ends; with *force* it ends at once.

        Raises:
            EntityConflictError: it has ended already.
            RunNotFoundError: there is no such run.
        """
        await _built_in("cancel", self.id, reason, *([force] if force else []))

    async def send(self, name: str, payload: Any = None) -> None:
        """
        Send the run a message, once; see ``app.send``.

        Raises:
            RunEndedError: it has ended.
            RunNotFoundError: there is no such run.
            LimitExceededError: too many messages wait in it already.
        """
        await _built_in("send", self.id, name, payload)


async def start(
    workflow: Workflow,
    /,
    *args: Any,
    run_id: str | None = None,
    runtime: str | None = None,
    at: datetime | str | None = None,
    delay: Duration | None = None,
    queue: str = "",
    queue_key: str = "",
    priority: int = 0,
    deadline: When | None = None,
    attributes: Attributes | None = None,
    cleanup: Cleanup | Duration | None = None,
    detached: bool = False,
    **kwargs: Any,
) -> RunHandle:
    """
    Start another run, in any language, and return its handle; it goes on by itself, until this run is cancelled.

    Args:
        workflow: a workflow function of this program, or the name of any workflow.
        args: its arguments.
        run_id: an id of your own. Without one the id follows from the step that starts the run, so that it is started
            once.
        runtime: ``snapshot`` or ``replay``; this run's own by default.
        at, delay, queue, queue_key, priority, deadline, attributes, cleanup, detached: how it begins, as outside.
        kwargs: its keyword arguments.

    Raises:
        WorkflowNotRegisteredError: no such workflow.
        UsageError: *workflow* is a function that is none, the arguments do not fit its signature, or an option is not
            what it should be.
        EntityConflictError: *run_id* is taken by a run of another workflow or with other arguments.
    """
    options = beginning(
        run.at,
        at=at,
        delay=delay,
        queue=queue,
        queue_key=queue_key,
        priority=priority,
        deadline=deadline,
        attributes=attributes,
        cleanup=cleanup,
        detached=detached,
    )
    if run_id is not None:
        options["runId"] = run_id
    if runtime is not None:
        options["runtime"] = runtime
    target = _target(workflow)
    if callable(workflow):
        args, kwargs = _bound(workflow, args, kwargs)
    given = [*args, Kwargs(kwargs)] if kwargs else list(args)
    return await _built_in("start", target, given, options)  # type: ignore[no-any-return]  # the step returns a handle


async def resume_hook(token: str, payload: Any = None) -> RunHandle:
    """
    Deliver a payload to the live hook with this token, once, and return the handle of its run.

    Raises:
        HookNotFoundError: no live hook has this token.
        ArgumentError: the payload does not fit the class that the hook takes.
    """
    return await _built_in("resume", token, payload)  # type: ignore[no-any-return]  # the step returns a handle


def install() -> None:
    """Let handles be values."""
    references.recognise(RunHandle, lambda handle: RunReference(handle.id))


async def _built_in(name: str, *args: Any) -> Any:
    return await ask(f"{_STEP}{name}", {"args": list(args)})


def _target(workflow: Workflow) -> str | WorkflowFunction:
    if isinstance(workflow, str | WorkflowFunction):
        return workflow
    reference = reference_of(workflow)
    if not isinstance(reference, WorkflowFunction):
        name = getattr(workflow, "__qualname__", repr(workflow))
        raise UsageError(f"{name} is no workflow; decorate it with @app.workflow, or start a workflow by name")
    return reference


def _bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with as many of them positional as the signature allows, defaults left out."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(f"{function.__qualname__} cannot be started so: {error}") from error
    return bound.args, bound.kwargs
