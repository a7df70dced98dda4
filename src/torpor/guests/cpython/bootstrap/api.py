"""
Torpor as workflow code sees it, inside the VM.

What a workflow does is here: wait for steps, sleep, wait for hooks, start other runs, tell how it stands. What runs an
application (worlds, workers, clients) is not; using it in a workflow is an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from torpor.codec.requests import Request, Response
from torpor.codec.types.custom import register, serializable
from torpor.codec.types.references import reference_of
from torpor.codec.values import StepFunction
from torpor.errors import (
    ArgumentError,
    EntityConflictError,
    FatalError,
    HookConflictError,
    HookDisposedError,
    HookNotFoundError,
    NotInWorkflowError,
    OutsideWorkflowError,
    RetryableError,
    RunCancelledError,
    RunEndedError,
    RunFailedError,
    RunNotFoundError,
    SerializationError,
    StepError,
    StreamClosedError,
    StreamTypeError,
    TorporError,
    UsageError,
    WorkflowNotRegisteredError,
)
from torpor.retries import Backoff
from torpor.starting import Cleanup

from ._guest.aborting import AbortController, AbortSignal
from ._guest.absent import OUTSIDE, part_of
from ._guest.advice import refuse
from ._guest.children import RunHandle, resume_hook, start
from ._guest.fetching import fetch
from ._guest.forking import fork, forks
from ._guest.hooks import Hook, hook
from ._guest.mailbox import receive
from ._guest.queries import query, state
from ._guest.sleeping import sleep
from ._guest.streams import ReadableStream, WritableStream, get_readable, get_writable
from ._guest.telling import set_attributes, set_status
from ._guest.webhooks import Webhook, webhook
from ._guest.workflows import WorkflowMetadata, current_workflow

__all__ = [
    "AbortController",
    "AbortSignal",
    "ArgumentError",
    "Backoff",
    "Cleanup",
    "EntityConflictError",
    "FatalError",
    "Hook",
    "HookConflictError",
    "HookDisposedError",
    "HookNotFoundError",
    "NotInWorkflowError",
    "OutsideWorkflowError",
    "ReadableStream",
    "Registry",
    "Request",
    "Response",
    "RetryableError",
    "RunCancelledError",
    "RunEndedError",
    "RunFailedError",
    "RunHandle",
    "RunNotFoundError",
    "SerializationError",
    "StepError",
    "StreamClosedError",
    "StreamTypeError",
    "Torpor",
    "TorporError",
    "UsageError",
    "Webhook",
    "WorkflowMetadata",
    "WorkflowNotRegisteredError",
    "WritableStream",
    "current_workflow",
    "fetch",
    "fork",
    "forks",
    "get_readable",
    "get_writable",
    "hook",
    "receive",
    "register",
    "serializable",
    "set_attributes",
    "set_status",
    "sleep",
    "state",
    "webhook",
]


class Registry:
    """A registry, as far as a workflow has it: what is registered was settled outside."""

    def step(self, function: Callable[..., Any] | None = None, **_options: Any) -> Any:
        """
        Return a function that stands for a step already; which functions are steps was settled outside.

        Any other was not registered when the program was made: calling it raises NotInWorkflowError.
        """
        return _registered if function is None else _registered(function)

    def workflow(self, function: Callable[..., Any] | None = None, **_options: Any) -> Any:
        """Return the function: what is a workflow was settled outside."""
        return (lambda function: function) if function is None else function

    def include(self, *_registries: Registry) -> None:
        """What is included was settled outside."""

    query = staticmethod(query)
    serializable = staticmethod(serializable)


class Torpor(Registry):
    """The application, as far as a workflow has it: it starts other runs and names them."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Settings are the application's outside."""

    def workflows(self, *_patterns: str) -> None:
        """JavaScript workflows are found outside."""

    start = staticmethod(start)
    resume_hook = staticmethod(resume_hook)

    async def send(self, run: RunHandle | str, name: str, payload: Any = None) -> None:
        """Send a run a message, once; see :meth:`RunHandle.send`."""
        await (RunHandle(run) if isinstance(run, str) else run).send(name, payload)

    def run(self, run_id: str) -> RunHandle:
        """Return a handle of a run; it is looked up when the handle is used."""
        return RunHandle(run_id)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return part_of(f"Torpor.{name}", *OUTSIDE)


def __getattr__(name: str) -> Any:
    """Return a placeholder for what the package has outside only, such as ``WorkerSettings``."""
    if name.startswith("_"):
        raise AttributeError(f"module 'torpor' has no attribute {name!r}")
    return part_of(f"torpor.{name}", *OUTSIDE)


def _registered(function: Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(reference_of(function), StepFunction):
        return function
    name = getattr(function, "__qualname__", repr(function))

    def refused(*_args: Any, **_kwargs: Any) -> NoReturn:
        why = "the application of this workflow does not have it under the name of its function"
        refuse(f"step {name}", why, "define it at module level, and register it with that application")

    return refused
