"""The SDK's errors: Torpor's own where they mean the same, so that ``except`` clauses catch what they caught."""

from __future__ import annotations

from torpor.durations import When
from torpor.errors import ArgumentError as TypeValidationError
from torpor.errors import (
    EntityConflictError,
    FatalError,
    HookConflictError,
    HookDisposedError,
    HookNotFoundError,
    SerializationError,
)
from torpor.errors import RetryableError as _RetryableError
from torpor.errors import RunEndedError as RunExpiredError
from torpor.errors import WorldError as WorkflowWorldError

__all__ = [
    "EntityConflictError",
    "FatalError",
    "HookConflictError",
    "HookDisposedError",
    "HookNotFoundError",
    "RemoteError",
    "RetryableError",
    "RunExpiredError",
    "SerializationError",
    "StepNotRegisteredError",
    "ThrottleError",
    "TooEarlyError",
    "TypeValidationError",
    "WorkflowRunFailedError",
    "WorkflowWorldError",
]


class RetryableError(_RetryableError):
    """
    Raise in a step to have it retried, after a second unless something else is said.

    Args:
        message: what went wrong.
        retry_after: as :func:`torpor.compat.vercel.sleep` takes it.
    """

    def __init__(self, message: str = "", *, retry_after: When | None = None) -> None:
        super().__init__(message, retry_after=1 if retry_after is None else retry_after)


class WorkflowRunFailedError(Exception):
    """
    The awaited run failed.

    Attributes:
        run_id: which.
        error: what its workflow raised, None where nobody knows; also the ``__cause__``.
        error_code: stable code of the failure, such as ``USER_ERROR``.
    """

    def __init__(self, run_id: str, error: BaseException | None, *, error_code: str | None = None) -> None:
        super().__init__(f'Workflow run "{run_id}" failed: {"unknown error" if error is None else error}')
        self.run_id = run_id
        self.error = error
        self.error_code = error_code
        self.__cause__ = error


class StepNotRegisteredError(FatalError):
    """A step is missing. Never raised here: a call of a function that is no step fails with NotInWorkflowError."""


class ThrottleError(WorkflowWorldError):
    """The SDK's service asks for patience. Never raised here: there is no such service."""


class TooEarlyError(WorkflowWorldError):
    """A step was begun before its time. Never raised here: workers look at the time first."""


class RemoteError(Exception):
    """
    An error whose class is unknown in Python. Never raised here: such an error is read as an Exception that has the
    name of its class.
    """
