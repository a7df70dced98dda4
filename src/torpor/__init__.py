"""Torpor: durable workflows that fall asleep and wake exactly where they were."""

from torpor.app import Torpor
from torpor.client import RunHandle
from torpor.codec import register, serializable
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, current_step
from torpor.engine.retry import Backoff
from torpor.engine.worker import WorkerSettings
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
    RunFailedError,
    RunNotFoundError,
    SerializationError,
    StepError,
    TorporError,
    UsageError,
    WorkflowNotRegisteredError,
)
from torpor.registry import Registry
from torpor.run_info import Awaited, RunInfo
from torpor.sync import SyncTorpor
from torpor.workflow import Hook, Workflow, current_workflow, hook, sleep

__all__ = [
    "ArgumentError",
    "Awaited",
    "Backoff",
    "EntityConflictError",
    "FatalError",
    "Hook",
    "HookConflictError",
    "HookDisposedError",
    "HookNotFoundError",
    "NotInWorkflowError",
    "OutsideWorkflowError",
    "Registry",
    "RetryableError",
    "RunCancelledError",
    "RunFailedError",
    "RunHandle",
    "RunInfo",
    "RunNotFoundError",
    "SerializationError",
    "StepError",
    "StepMetadata",
    "SyncTorpor",
    "Torpor",
    "TorporError",
    "UsageError",
    "WorkerSettings",
    "Workflow",
    "WorkflowMetadata",
    "WorkflowNotRegisteredError",
    "current_step",
    "current_workflow",
    "hook",
    "register",
    "serializable",
    "sleep",
]
