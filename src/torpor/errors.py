"""
The one exception hierarchy.

::

    TorporError                     code on every class, stable across releases
    ├── UsageError                  the caller asked for something that cannot be
    │   ├── ConfigurationError      a setting, a file or a registration is wrong
    │   │   ├── KeyMissingError     encrypted under a key that is not configured here
    │   │   └── ProgramError        a program of workflows does not compile, or throws while it is loaded
    │   ├── ArgumentError           an argument does not fit what a function takes
    │   ├── WorkflowNotRegisteredError
    │   ├── NotInWorkflowError      workflow code used what only steps have: a package, a file, a thread
    │   ├── OutsideWorkflowError    what only workflow code may do was asked for somewhere else
    │   ├── NotAllowedError         workflow code asked for what neither its program nor its application allows
    │   ├── SerializationError      a value cannot become bytes, or bytes a value
    │   │   └── DecryptionError     encrypted bytes do not open with their key: changed, damaged or another's
    │   ├── TransactionError        what is to be part of a transaction cannot be
    │   ├── SignatureError          a request is not signed by who may send it, or was signed too long ago
    │   ├── CapsuleError            a file is no capsule, is damaged, or what is in it does not fit together
    │   │   └── CapsuleVersionError a capsule was made by a version that this one does not know
    │   ├── StreamTypeError         a stream carries bytes where values were meant, or the other way round
    │   └── LimitExceededError      a named limit was passed
    │       └── QuotaExceededError  a tenant has used what it may use
    ├── NotFoundError
    │   ├── RunNotFoundError
    │   ├── HookNotFoundError
    │   ├── ScheduleNotFoundError
    │   └── TenantNotFoundError
    ├── ConflictError
    │   ├── EntityConflictError     an event that the entity's lifecycle does not allow
    │   │   ├── RunEndedError       a run that has ended receives nothing any more
    │   │   ├── RunBusyError        a run cannot leave for another world while somebody works on it
    │   │   └── RunMovedError       a run has left for another world, where it goes on
    │   ├── StreamClosedError       a stream has ended, and nothing is written to it any more
    │   └── LeaseLostError          another worker owns the run or task now
    ├── WorldError                  the back end failed; nothing of the operation was stored
    │   ├── DamagedError            the world has what no version has stored
    │   └── ProgramMissingError     the world has no program of that content address
    ├── ArchiveError                what is given logs before they go has failed; they stay
    ├── BuildMissingError           a guest build that a run needs cannot be had here
    ├── BuildPendingError           a guest build that a run needs is still being compiled here
    ├── HostError                   this machine lacks something now; the run is well and is taken up again
    │   └── VmInterruptedError      a VM was stopped because its worker or the process stops
    ├── VmError
    │   ├── GuestTrapError          the VM trapped and was thrown away
    │   ├── CpuLimitError           a turn used more CPU than allowed
    │   ├── MemoryLimitError        a VM needed more memory than allowed
    │   ├── StackLimitError         a turn nested deeper than a VM's stack allows
    │   ├── OutputLimitError        a turn wrote more than allowed
    │   └── SnapshotError           a snapshot does not fit: image, version or damaged bytes
    ├── ScheduleToStartTimeoutError no worker began a step in the time that it may wait
    ├── ScheduleToCloseTimeoutError a step had no outcome in the time for all of its attempts together
    ├── HeartbeatTimeoutError       an attempt of a step was silent for longer than it may be
    ├── DeadlineExceededError       a run did not end by its deadline
    ├── DivergenceError             a replay asked for something else than the log says
    ├── MaxDeliveriesError          a run or step was taken up too often without getting anywhere
    ├── RunFailedError              awaiting the result of a failed run
    ├── RunCancelledError           awaiting the result of a cancelled run
    ├── StepError                   what workflow code sees of a step that failed for good
    ├── HookConflictError           awaiting a hook whose token belongs to another run
    ├── HookDisposedError           awaiting a hook that was disposed of
    ├── NoAnswerError               the run of a webhook has the request, and did not answer its caller
    ├── BudgetExceededError         an agent has used what it may use
    ├── OutputError                 a model gave no answer of the form that its agent is to return
    ├── UnhealthyError              no worker has answered the question whether it works
    ├── WaitTimeoutError            what a test waited for did not come in time
    └── (raised by users in steps and workflows)
        ├── FatalError              do not retry
        │   └── ModelError          a provider refuses what its model was asked
        ├── RetryableError          retry after a given time
        └── UnknownOutcomeError     nobody knows whether it has happened; somebody has to look
            └── AcceptedError       another service has accepted a step, and will tell how it ended

A caller's mistake, a back end's failure and our own bug are different classes. Messages say what happened,
where, and what to do next.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from torpor.durations import When, due_at, read_when


class TorporError(Exception):
    """Base of everything that Torpor raises."""

    code: ClassVar[str] = "TORPOR"


class UsageError(TorporError):
    """The caller asked for something that cannot be; the message says what to change."""

    code = "USAGE"


class ConfigurationError(UsageError):
    """A setting, a file or a registration is wrong."""

    code = "CONFIGURATION"


class KeyMissingError(ConfigurationError):
    """
    Something is encrypted under a key that is not configured here.

    Attributes:
        key_id: of that key.
    """

    code = "KEY_MISSING"

    def __init__(self, what: str, key_id: str) -> None:
        super().__init__(
            f"{what}: encrypted under key {key_id}, which is not configured here; add that key to TORPOR_KEYS, or to "
            "Torpor(keys=…), behind the newest one"
        )
        self.key_id = key_id


class ProgramError(ConfigurationError):
    """A program of workflows does not compile, or its modules throw while they are loaded; names file and line."""

    code = "PROGRAM"


class ArgumentError(UsageError):
    """An argument does not fit what a function takes; names the parameter, what was expected and what was found."""

    code = "ARGUMENT"


class TransactionError(UsageError):
    """
    Something is to be part of a transaction, and cannot: the world knows none, the connection leads elsewhere, or
    nothing is open on it.
    """

    code = "TRANSACTION"


class SignatureError(UsageError):
    """A request is not signed by somebody who may send it, or was signed too long ago; what is wrong is told."""

    code = "SIGNATURE"


class WorkflowNotRegisteredError(UsageError):
    """No registered program has a workflow of that name."""

    code = "WORKFLOW_NOT_REGISTERED"


class NotInWorkflowError(UsageError):
    """Workflow code used what only steps have: a package that the guest lacks, a file, a socket, a thread."""

    code = "NOT_IN_WORKFLOW"


class OutsideWorkflowError(UsageError):
    """What only workflow code may do, such as to wait for a hook, was asked for outside of a run."""

    code = "OUTSIDE_WORKFLOW"


class NotAllowedError(UsageError):
    """Workflow code asked for a step or a run that neither its program names nor its application allows."""

    code = "NOT_ALLOWED"


class SerializationError(UsageError):
    """A value cannot become bytes, or bytes cannot become a value; names the path and the type."""

    code = "SERIALIZATION"


class DecryptionError(SerializationError):
    """Encrypted bytes do not open with their key: they were changed or damaged, or belong to something else."""

    code = "DECRYPTION"


class CapsuleError(UsageError):
    """A file is no capsule, is damaged, or what is in it does not fit together; nothing was stored."""

    code = "CAPSULE"


class CapsuleVersionError(CapsuleError):
    """A capsule was made by a version that this one does not know; nothing was stored."""

    code = "CAPSULE_VERSION"


class StreamTypeError(UsageError):
    """A stream carries bytes, and values were to be written to it, or the other way round; nothing was stored."""

    code = "STREAM_TYPE"


class LimitExceededError(UsageError):
    """A named limit of :mod:`torpor.limits` was passed."""

    code = "LIMIT_EXCEEDED"


class QuotaExceededError(LimitExceededError):
    """A tenant has used what its quotas allow; the message names it and the quota. Nothing of others is concerned."""

    code = "QUOTA_EXCEEDED"


class NotFoundError(TorporError):
    """The thing named does not exist in this world."""

    code = "NOT_FOUND"


class RunNotFoundError(NotFoundError):
    """No run has this id."""

    code = "RUN_NOT_FOUND"


class HookNotFoundError(NotFoundError):
    """No live hook has this token: it never existed, was disposed of, or its run has ended."""

    code = "HOOK_NOT_FOUND"


class ScheduleNotFoundError(NotFoundError):
    """No schedule of that name is in this world."""

    code = "SCHEDULE_NOT_FOUND"


class TenantNotFoundError(NotFoundError):
    """No tenant of that name is in this world."""

    code = "TENANT_NOT_FOUND"


class ConflictError(TorporError):
    """The operation lost against a fact that is already stored; nothing was stored."""

    code = "CONFLICT"


class EntityConflictError(ConflictError):
    """An event that the entity's lifecycle does not allow; nothing was stored."""

    code = "ENTITY_CONFLICT"


class RunEndedError(EntityConflictError):
    """A run that has ended receives nothing any more; the message was not stored."""

    code = "RUN_ENDED"


class RunBusyError(EntityConflictError):
    """A run cannot leave for another world while somebody works on it or one of its steps; try again."""

    code = "RUN_BUSY"


class RunMovedError(EntityConflictError):
    """A run has left for another world, where it goes on; the message names it. Nothing was stored here."""

    code = "RUN_MOVED"


class StreamClosedError(ConflictError):
    """A stream has ended: one of those who hold it has closed it. Nothing was stored."""

    code = "STREAM_CLOSED"


class LeaseLostError(ConflictError):
    """Another worker owns the run or task now; nothing was stored and the work must be dropped."""

    code = "LEASE_LOST"


class WorldError(TorporError):
    """The back end failed; nothing of the operation was stored. The cause is the back end's own error."""

    code = "WORLD"


class DamagedError(WorldError):
    """
    What the world has of something is not what any version has stored: its file was damaged, or edited by hand.

    It concerns that one thing, and nothing of it was changed; all others go on.

    Args:
        row: which one, such as ``row 7 of table steps``.
        problem: what is wrong with it.
        run_id: whose it is, ``""`` when no run's, or when that cannot be told.
        about: what could not be done because of it.

    Attributes:
        row, problem, run_id: as given.
    """

    code = "DAMAGED"

    def __init__(self, row: str, problem: str, *, run_id: str = "", about: str = "") -> None:
        whose = f" of run {run_id}" if run_id else ""
        super().__init__(
            f"{about and f'{about}: '}{row}{whose} is damaged: {problem}; all else goes on. `torpor doctor` lists what "
            f"is damaged: stop the workers, keep a copy, then mend it there or restore a backup"
        )
        self.row, self.problem, self.run_id = row, problem, run_id


class ProgramMissingError(WorldError):
    """The world has no sound program of that content address; the application that defines it stores it again."""

    code = "PROGRAM_MISSING"


class HostError(TorporError):
    """
    This machine or process lacks something now: memory, descriptors, threads, disk space, readable files.

    It says nothing of a run, which is taken up again later, here or elsewhere.
    """

    code = "HOST"


class ArchiveError(TorporError):
    """What is given logs before they go has failed; nothing of them went."""

    code = "ARCHIVE"


class BuildMissingError(TorporError):
    """
    A run needs a guest build that is not installed here, and that the world lacks or that cannot be driven here.

    The run waits for a worker that has it, unless its log is whole and a replay with the build that is here agrees.
    """

    code = "BUILD_MISSING"


class BuildPendingError(TorporError):
    """A guest build that a run needs is being compiled here, which takes a while; the run is taken up again."""

    code = "BUILD_PENDING"


class VmInterruptedError(HostError):
    """A VM was stopped because its worker or the process stops; the run goes on from its last commit."""

    code = "VM_INTERRUPTED"


class VmError(TorporError):
    """A VM could not do what was asked of it; the instance was dropped and no other run is affected."""

    code = "RUNTIME_ERROR"


class GuestTrapError(VmError):
    """The VM trapped (a WebAssembly fault such as an out-of-bounds access or an abort)."""

    code = "RUNTIME_ERROR"


class CpuLimitError(VmError):
    """A turn used more CPU time than its limit."""

    code = "LIMIT_EXCEEDED"


class MemoryLimitError(VmError):
    """A VM needed more memory than its limit."""

    code = "LIMIT_EXCEEDED"


class StackLimitError(VmError):
    """A turn needed more of a VM's stack than there is; deeply nested data was compared, printed or freed."""

    code = "LIMIT_EXCEEDED"


class OutputLimitError(VmError):
    """A turn produced more output than its limit."""

    code = "LIMIT_EXCEEDED"


class SnapshotError(VmError):
    """A snapshot cannot be restored: wrong image, unknown version or damaged bytes. The log still can."""

    code = "SNAPSHOT"


class DivergenceError(TorporError):
    """A replay asked for something else than the log records: a host bug, a changed guest build or a damaged log."""

    code = "DIVERGENCE"


class MaxDeliveriesError(TorporError):
    """A run or step was taken up too often without getting anywhere; its workers probably died of it."""

    code = "MAX_DELIVERIES_EXCEEDED"


class UnknownOutcomeError(TorporError):
    """
    A step raises it when nobody knows whether what it did has happened, such as a payment whose answer was lost.

    The step is not tried again. Its run is blocked on it until somebody resolves it, with a value or as failed.
    """

    code = "UNKNOWN_OUTCOME"


class AcceptedError(UnknownOutcomeError):
    """Another service has accepted a step, and will tell how it ended; the run waits for that."""

    code = "ACCEPTED"


class RunFailedError(TorporError):
    """
    The awaited run failed.

    Attributes:
        run_id: the run.
        failure: stable code of the failure: ``USER_ERROR``, ``RUNTIME_ERROR``, ``LIMIT_EXCEEDED``, ``NOT_ALLOWED``
            or ``MAX_DELIVERIES_EXCEEDED``.

    The error that workflow code threw is the ``__cause__``.
    """

    code = "RUN_FAILED"

    def __init__(self, message: str, *, run_id: str = "", failure: str = "USER_ERROR") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.failure = failure


class RunCancelledError(TorporError):
    """
    The awaited run was cancelled.

    Attributes:
        run_id: which.
        reason: why, ``""`` when nobody gave a reason.
    """

    code = "RUN_CANCELLED"

    def __init__(self, message: str, *, run_id: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id
        self.reason = reason


class StepError(TorporError):
    """
    What workflow code sees of a step that failed for good. Its ``__cause__`` is what the last attempt raised.

    Args:
        message: which step failed, after how many attempts, and of what.
        attempts: how many attempts raised.

    Attributes:
        attempts: as given; 0 where somebody else than an attempt said that the step failed.
    """

    code = "STEP_FAILED"
    attempts: int = 0

    def __init__(self, message: str = "", *, attempts: int = 0) -> None:
        super().__init__(message)
        self.attempts = attempts


class ScheduleToStartTimeoutError(TorporError, TimeoutError):
    """No worker began a step in the time that its ``schedule_to_start=`` lets it wait; the cause of a StepError."""

    code = "SCHEDULE_TO_START_TIMEOUT"


class ScheduleToCloseTimeoutError(TorporError, TimeoutError):
    """
    A step had no outcome in the time that its ``schedule_to_close=`` gives all of its attempts together, the pauses
    between them and the wait for a worker; the cause of a StepError.
    """

    code = "SCHEDULE_TO_CLOSE_TIMEOUT"


class HeartbeatTimeoutError(TorporError, TimeoutError):
    """An attempt of a step was silent for longer than the step's ``heartbeat=`` allows; it is tried again."""

    code = "HEARTBEAT_TIMEOUT"


class HookConflictError(TorporError):
    """
    The awaited hook could not be created: its token belongs to another live hook.

    Attributes:
        token: the token.
        run_id: the run that holds it.
    """

    code = "HOOK_CONFLICT"

    def __init__(self, token: str, run_id: str = "") -> None:
        super().__init__(f"hook token {token!r} is in use by run {run_id or 'unknown'}; choose another or end that run")
        self.token = token
        self.run_id = run_id


class HookDisposedError(TorporError):
    """
    The awaited hook was disposed of: it will receive nothing any more.

    Attributes:
        token: the token that it had.
    """

    code = "HOOK_DISPOSED"

    def __init__(self, token: str) -> None:
        super().__init__(f"hook {token!r} was disposed of and will receive nothing any more; make another one")
        self.token = token


class DeadlineExceededError(TorporError):
    """A run did not end by the deadline that it was started with; the cause of its RunFailedError."""

    code = "DEADLINE_EXCEEDED"


class NoAnswerError(TorporError):
    """The run of a webhook has a request, and did not answer its caller in time; the run goes on."""

    code = "NO_ANSWER"


class BudgetExceededError(TorporError):
    """
    An agent has used what it may use; nothing more was asked of a model.

    Attributes:
        agent: its name.
        what: which limit: ``requests``, ``tokens``, ``tool_calls`` or ``cost``.
        used, limit: how much of it, and how much there is.
    """

    code = "BUDGET_EXCEEDED"

    def __init__(self, agent: str, what: str, used: float, limit: float) -> None:
        super().__init__(f"agent {agent} has used {used} {what} of {limit}; give it a larger Budget, or less to do")
        self.agent, self.what, self.used, self.limit = agent, what, used, limit


class OutputError(TorporError):
    """A model was asked again as often as its agent allows, and gave no answer of the form that the agent returns."""

    code = "OUTPUT"


class UnhealthyError(TorporError):
    """No worker has answered the question whether it takes the work of a queue."""

    code = "UNHEALTHY"


class WaitTimeoutError(TorporError, TimeoutError):
    """What a test waited for did not come in time; the message says where the run stands."""

    code = "WAIT_TIMEOUT"


class FatalError(TorporError):
    """Raise in a step to fail it without a retry."""

    code = "FATAL"


class ModelError(FatalError):
    """
    A provider refuses what its model was asked, and would refuse it again: a key, a model's name, the conversation.

    Attributes:
        model: which was asked.
        status: of the provider's HTTP answer, None where there was none.
    """

    code = "MODEL"

    def __init__(self, message: str = "", *, model: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.model = model
        self.status = status


class RetryableError(TorporError):
    """
    Raise in a step to have it retried after a given time. Counts as a retry.

    Args:
        message: what went wrong.
        retry_after: seconds, text such as ``"5s"``, a timedelta, or a moment: an aware datetime, or ISO 8601 text with
            a time zone. What has passed means at once; without it the step's own backoff applies.

    Attributes:
        retry_after: as it was given; text that is a moment as a datetime.

    Raises:
        UsageError: *retry_after* is none of these, or longer than 1 000 years, or after the year 9999.
    """

    code = "RETRYABLE"

    def __init__(self, message: str = "", *, retry_after: When | None = None) -> None:
        super().__init__(message)
        try:
            read = None if retry_after is None else read_when(retry_after)
        except ValueError as error:
            raise UsageError(f"retry_after of a RetryableError: {error}") from None
        # What is later has no date in every zone, and no place in a database.
        late = read > _LATEST if isinstance(read, datetime) else (read or 0) > _LONGEST_MS
        if late:
            raise UsageError(f"retry_after={retry_after!r} is longer than 1 000 years, or after the year 9999")
        self.retry_after: When | None = read if isinstance(read, datetime) else retry_after

    def retry_at(self, now_ms: int) -> int | None:
        """Return when to retry, in epoch milliseconds, or None when the step's own backoff applies."""
        return None if self.retry_after is None else max(now_ms, due_at(self.retry_after, now_ms))


_LONGEST_MS = 1_000 * 366 * 86_400_000
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
