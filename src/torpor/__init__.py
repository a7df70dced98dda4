"""
Torpor: durable workflows that fall asleep and wake exactly where they were.

The public names, each imported when it is first asked for: who only asks about runs needs no WebAssembly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torpor.app import Torpor
    from torpor.capsules.archives import Capsules
    from torpor.client import Client
    from torpor.codec import register, serializable
    from torpor.codec.requests import Request, Response
    from torpor.engine.metadata import StepMetadata, WorkflowMetadata, current_step
    from torpor.engine.settings import WorkerSettings
    from torpor.engine.signals import AbortController, AbortSignal
    from torpor.engine.stream_reading import StreamChunk
    from torpor.engine.stream_steps import get_readable, get_writable
    from torpor.engine.streams import ReadableStream, StreamInfo, WritableStream
    from torpor.errors import (
        ArgumentError,
        EntityConflictError,
        FatalError,
        HookConflictError,
        HookDisposedError,
        HookNotFoundError,
        NotInWorkflowError,
        OutsideWorkflowError,
        QuotaExceededError,
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
        TransactionError,
        UnknownOutcomeError,
        UsageError,
        WorkflowNotRegisteredError,
    )
    from torpor.hook_info import HookInfo
    from torpor.model.tenants import Quotas, TenantInfo
    from torpor.registry import Registry
    from torpor.retention import KeepLog, Retention
    from torpor.retries import Backoff
    from torpor.run_handle import RunHandle
    from torpor.run_info import Awaited, RunInfo
    from torpor.starting import Cleanup
    from torpor.sync import SyncTorpor
    from torpor.tenants import Tenant
    from torpor.webhooks.authoring import Webhook, webhook
    from torpor.workflow import (
        Hook,
        Workflow,
        current_workflow,
        fetch,
        fork,
        forks,
        hook,
        receive,
        set_attributes,
        set_status,
        sleep,
        state,
    )
    from torpor.worlds import open_world

__all__ = [
    "AbortController",
    "AbortSignal",
    "ArgumentError",
    "Awaited",
    "Backoff",
    "Capsules",
    "Cleanup",
    "Client",
    "EntityConflictError",
    "FatalError",
    "Hook",
    "HookConflictError",
    "HookDisposedError",
    "HookInfo",
    "HookNotFoundError",
    "KeepLog",
    "NotInWorkflowError",
    "OutsideWorkflowError",
    "QuotaExceededError",
    "Quotas",
    "ReadableStream",
    "Registry",
    "Request",
    "Response",
    "Retention",
    "RetryableError",
    "RunCancelledError",
    "RunEndedError",
    "RunFailedError",
    "RunHandle",
    "RunInfo",
    "RunNotFoundError",
    "SerializationError",
    "StepError",
    "StepMetadata",
    "StreamChunk",
    "StreamClosedError",
    "StreamInfo",
    "StreamTypeError",
    "SyncTorpor",
    "Tenant",
    "TenantInfo",
    "Torpor",
    "TorporError",
    "TransactionError",
    "UnknownOutcomeError",
    "UsageError",
    "Webhook",
    "WorkerSettings",
    "Workflow",
    "WorkflowMetadata",
    "WorkflowNotRegisteredError",
    "WritableStream",
    "current_step",
    "current_workflow",
    "fetch",
    "fork",
    "forks",
    "get_readable",
    "get_writable",
    "hook",
    "open_world",
    "receive",
    "register",
    "serializable",
    "set_attributes",
    "set_status",
    "sleep",
    "state",
    "webhook",
]

_HOMES = {
    "torpor.app": ("Torpor",),
    "torpor.capsules.archives": ("Capsules",),
    "torpor.client": ("Client",),
    "torpor.run_handle": ("RunHandle",),
    "torpor.codec": (
        "register",
        "serializable",
    ),
    "torpor.codec.requests": ("Request", "Response"),
    "torpor.engine.metadata": ("StepMetadata", "WorkflowMetadata", "current_step"),
    "torpor.engine.settings": ("WorkerSettings",),
    "torpor.engine.signals": ("AbortController", "AbortSignal"),
    "torpor.engine.stream_reading": ("StreamChunk",),
    "torpor.engine.stream_steps": ("get_readable", "get_writable"),
    "torpor.engine.streams": ("ReadableStream", "StreamInfo", "WritableStream"),
    "torpor.retention": ("KeepLog", "Retention"),
    "torpor.retries": ("Backoff",),
    "torpor.errors": (
        "ArgumentError",
        "EntityConflictError",
        "FatalError",
        "HookConflictError",
        "HookDisposedError",
        "HookNotFoundError",
        "NotInWorkflowError",
        "OutsideWorkflowError",
        "QuotaExceededError",
        "RetryableError",
        "RunCancelledError",
        "RunEndedError",
        "RunFailedError",
        "RunNotFoundError",
        "SerializationError",
        "StepError",
        "StreamClosedError",
        "StreamTypeError",
        "TransactionError",
        "TorporError",
        "UnknownOutcomeError",
        "UsageError",
        "WorkflowNotRegisteredError",
    ),
    "torpor.hook_info": ("HookInfo",),
    "torpor.model.tenants": ("Quotas", "TenantInfo"),
    "torpor.registry": ("Registry",),
    "torpor.run_info": ("Awaited", "RunInfo"),
    "torpor.starting": ("Cleanup",),
    "torpor.sync": ("SyncTorpor",),
    "torpor.tenants": ("Tenant",),
    "torpor.webhooks.authoring": ("Webhook", "webhook"),
    "torpor.workflow": (
        "Hook",
        "Workflow",
        "current_workflow",
        "fetch",
        "hook",
        "fork",
        "forks",
        "receive",
        "set_attributes",
        "set_status",
        "sleep",
        "state",
    ),
    "torpor.worlds": ("open_world",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'torpor' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
