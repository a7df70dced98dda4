"""
The public names of the Python Workflow SDK (``vercel.workflow`` of ``vercel-workflow`` 0.12), over Torpor.

Change ``from vercel.workflow import …`` to ``from torpor.compat.vercel import …``. It is the same in workflow code and
outside. What only that SDK's own hosting has is refused with what to use instead; see
``docs/coming-from-vercel-python.md``.
"""

from __future__ import annotations

from typing import Final, NoReturn

from torpor.compat.vercel.errors import (
    EntityConflictError,
    FatalError,
    HookConflictError,
    HookDisposedError,
    HookNotFoundError,
    RemoteError,
    RetryableError,
    RunExpiredError,
    SerializationError,
    StepNotRegisteredError,
    ThrottleError,
    TooEarlyError,
    TypeValidationError,
    WorkflowRunFailedError,
    WorkflowWorldError,
)
from torpor.compat.vercel.facts import (
    StepInfo,
    WorkflowFeatures,
    WorkflowInfo,
    get_step_metadata,
    get_workflow_metadata,
    remove_attributes,
    set_attributes,
)
from torpor.compat.vercel.hooks import BaseHook, Hook, HookEvent, get_hook_by_token
from torpor.compat.vercel.runs import Run, WorkflowRunStatus, get_run, start
from torpor.compat.vercel.side import Workflows
from torpor.compat.vercel.streams import (
    WorkflowStreamHandle,
    WorkflowStreamWriter,
    WorkflowWritable,
    get_writable,
    read_stream,
)
from torpor.compat.vercel.times import now, random, sleep, time_ns
from torpor.compat.vercel.values import register_serializable, serializable
from torpor.errors import ConfigurationError

_HTTP = "runs are reached by Torpor's own front door: `torpor serve`, or app.asgi() in yours; see docs/http.md"
_SANDBOX = "workflow code runs in a WebAssembly VM, which shares nothing with this process; leave the policy out"

REFUSED: Final = {
    "ENDPOINT_PATH": _HTTP,
    "MANIFEST_PATH": _HTTP,
    "HTTPHandler": _HTTP,
    "HTTPRequest": _HTTP,
    "HTTPResponse": _HTTP,
    "sandbox": _SANDBOX,
    "SandboxPolicy": _SANDBOX,
}
"""Public names of the SDK that are not here → what to do instead."""

__all__ = [
    "BaseHook",
    "EntityConflictError",
    "FatalError",
    "Hook",
    "HookConflictError",
    "HookDisposedError",
    "HookEvent",
    "HookNotFoundError",
    "RemoteError",
    "RetryableError",
    "Run",
    "RunExpiredError",
    "SerializationError",
    "StepInfo",
    "StepNotRegisteredError",
    "ThrottleError",
    "TooEarlyError",
    "TypeValidationError",
    "WorkflowFeatures",
    "WorkflowInfo",
    "WorkflowRunFailedError",
    "WorkflowRunStatus",
    "WorkflowStreamHandle",
    "WorkflowStreamWriter",
    "WorkflowWorldError",
    "WorkflowWritable",
    "Workflows",
    "get_hook_by_token",
    "get_run",
    "get_step_metadata",
    "get_workflow_metadata",
    "get_writable",
    "now",
    "random",
    "read_stream",
    "register_serializable",
    "remove_attributes",
    "serializable",
    "set_attributes",
    "sleep",
    "start",
    "time_ns",
]


def __getattr__(name: str) -> NoReturn:
    """
    Refuse what the SDK has and Torpor does not.

    Raises:
        ConfigurationError: the SDK has this name; the message says what to do instead.
        AttributeError: it has none such either.
    """
    if name in REFUSED:
        raise ConfigurationError(f"{__name__} has no {name}: {REFUSED[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
