"""Torpor: durable workflows that fall asleep and wake exactly where they were."""

from torpor.app import Torpor
from torpor.client import RunHandle
from torpor.engine.retry import Backoff
from torpor.engine.steps import StepMetadata, current_step
from torpor.engine.worker import WorkerSettings
from torpor.errors import (
    FatalError,
    HookNotFoundError,
    RetryableError,
    RunCancelledError,
    RunFailedError,
    StepError,
    TorporError,
)
from torpor.sync import SyncTorpor

__all__ = [
    "Backoff",
    "FatalError",
    "HookNotFoundError",
    "RetryableError",
    "RunCancelledError",
    "RunFailedError",
    "RunHandle",
    "StepError",
    "StepMetadata",
    "SyncTorpor",
    "Torpor",
    "TorporError",
    "WorkerSettings",
    "current_step",
]
