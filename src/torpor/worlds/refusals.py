"""The refusals that every world words alike: what happened, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torpor.errors import (
    DamagedError,
    EntityConflictError,
    HookNotFoundError,
    LeaseLostError,
    LimitExceededError,
    RunBusyError,
    RunEndedError,
    RunMovedError,
    RunNotFoundError,
    ScheduleNotFoundError,
    StreamClosedError,
    StreamTypeError,
    TenantNotFoundError,
    TransactionError,
)
from torpor.lifecycle import RUN_TERMINAL, EventType
from torpor.model import Run, StreamBatch

_TOKENS_TOLD_MAX: Final = 10


def run_not_found(run_id: str, url: str) -> RunNotFoundError:
    """Return the error for an id that no run has."""
    return RunNotFoundError(f"no run {run_id!r} in world {url}; check the id and the world's URL")


def hook_not_found(token: str) -> HookNotFoundError:
    """Return the error for a token that no live hook has."""
    return HookNotFoundError(
        f"no live hook has the token {token!r}: it was never created, has been disposed of, or its run has ended"
    )


def hook_of_another(token: str, run_id: str) -> HookNotFoundError:
    """Return the error for a token that is not any more the hook of the run that a payload was encrypted for."""
    return HookNotFoundError(f"the hook with the token {token!r} is not run {run_id}'s any more; look it up again")


def mailbox_closed(run_id: str, status: str) -> RunEndedError:
    """Return the error for a message to a run that has ended."""
    return RunEndedError(f"run {run_id} is {status} and receives nothing any more; the message was not stored")


def mailbox_full(run_id: str, waiting: int) -> LimitExceededError:
    """Return the error for a message to a run that does not receive what it has."""
    return LimitExceededError(
        f"run {run_id} has {waiting} messages that its code has not received, and takes no more; the message was not "
        "stored; send it again when some have been received"
    )


def run_taken(run_id: str, workflow: str) -> EntityConflictError:
    """Return the error for a second, different run under one id."""
    return EntityConflictError(
        f"run {run_id} exists already, as a run of workflow {workflow!r} with other input, another name or of another "
        "application; nothing was stored; start the new run under an id of its own"
    )


def run_is_here(run_id: str, url: str) -> EntityConflictError:
    """Return the error for a run that comes from elsewhere, under an id that is taken."""
    return EntityConflictError(
        f"run {run_id} is in world {url} already; nothing was stored. Delete the one that is there, or bring this one "
        "into another world: a run keeps its id"
    )


def moved(run_id: str, where: str) -> RunMovedError:
    """Return the error for a run that has left."""
    return RunMovedError(f"run {run_id} has left for world {where}, where it goes on; ask there. Nothing was stored")


def not_leaving(run_id: str) -> EntityConflictError:
    """Return the error for a run that was said to have arrived elsewhere, and had not left."""
    return EntityConflictError(f"run {run_id} has not left for another world; it is as it was")


def busy(run_id: str) -> RunBusyError:
    """Return the error for a run that cannot leave now."""
    return RunBusyError(
        f"run {run_id} cannot leave while a worker has it, or one of its steps; it can once they are done, or released"
    )


def tokens_taken(run_id: str, taken: Mapping[str, str]) -> EntityConflictError:
    """Return the error for a run that comes from elsewhere and waits for tokens that others have here."""
    told = ", ".join(f"{token!r} (run {owner})" for token, owner in sorted(taken.items())[:_TOKENS_TOLD_MAX])
    more = f" and {len(taken) - _TOKENS_TOLD_MAX} more" if len(taken) > _TOKENS_TOLD_MAX else ""
    return EntityConflictError(
        f"run {run_id} waits for hooks whose tokens others have here: {told}{more}; nothing was stored. Bring it again "
        "when those runs have let go of them"
    )


def commit_ended(run_id: str, status: str) -> EntityConflictError:
    """Return the error for a turn of a run that has ended."""
    return EntityConflictError(f"commit refused: run {run_id} is {status}, which is final; nothing was stored")


def ended(event: EventType, run_id: str, status: str) -> EntityConflictError:
    """Return the error for an event past a run's end."""
    return EntityConflictError(f"{event} refused: run {run_id} is {status}, which is final; nothing was stored")


def not_failed(run_id: str, status: str) -> EntityConflictError:
    """Return the error for retrying a run that has not failed."""
    return EntityConflictError(f"run_retried refused: run {run_id} is {status}, and only failed runs are retried")


def no_failure(run_id: str, seq: int) -> EntityConflictError:
    """Return the error for taking back what is no failure."""
    return EntityConflictError(
        f"run_retried refused: event {seq} of run {run_id} is no failure that still holds; look at the run again"
    )


def log_too_short(run_id: str, base: int) -> EntityConflictError:
    """Return the error for retrying a run whose log has forgotten what that needs."""
    return EntityConflictError(
        f"run_retried refused: the log of run {run_id} begins after event {base}, and does not tell any more what "
        f"retrying it needs; start it anew: torpor rerun {run_id}"
    )


def token_gone(run_id: str, token: str, owner: str) -> EntityConflictError:
    """Return the error for retrying a run that waits for a hook whose token is another's by now."""
    return EntityConflictError(
        f"run_retried refused: run {run_id} waits for hook {token!r}, and run {owner} has that token now; end that "
        f"run, or let it dispose of the hook"
    )


def no_beginning(run_id: str) -> EntityConflictError:
    """Return the error for a log that no run may begin with."""
    return EntityConflictError(
        f"run_forked refused: the log that run {run_id} was to begin with is none of a run that goes on, from its "
        f"beginning to the place of the fork; nothing was stored"
    )


def token_not_free(run_id: str, token: str, owner: str) -> EntityConflictError:
    """Return the error for a fork that is to take over a hook whose token is not free."""
    return EntityConflictError(
        f"run_forked refused: run {run_id} was to take over hook {token!r}, and run {owner} has that token; end that "
        f"run first, or let the fork have a new token; nothing was stored"
    )


def is_cancelled(run_id: str) -> EntityConflictError:
    """Return the error for pausing a run that is to come to its end."""
    return EntityConflictError(
        f"run_paused refused: run {run_id} is being cancelled, and ends soon; nothing was stored"
    )


def not_a_task(run_id: str, step_id: str, status: str | None) -> EntityConflictError:
    """Return the error for a task that no unfinished step stands behind, or a second one for the same step."""
    have = "does not exist" if status is None else f"is {status}"
    return EntityConflictError(
        f"task refused: step {step_id} of run {run_id} {have}; only an unfinished step without a task gets one, and "
        "nothing was stored"
    )


def not_begun(run_id: str, step_id: str, status: str) -> EntityConflictError:
    """Return the error for a task that a worker says to be carrying out, and whose attempt nobody has begun."""
    return EntityConflictError(
        f"task refused: step {step_id} of run {run_id} is {status}, and a worker keeps only what is running; nothing "
        "was stored"
    )


def turn_lost(run_id: str, worker_id: str, epoch: int, now: int, owner: str) -> LeaseLostError:
    """Return the error for a commit whose claim is stale."""
    whose = f"worker {owner}'s" if owner else "nobody's"
    return LeaseLostError(
        f"commit of worker {worker_id} with epoch {epoch} refused: run {run_id} is at epoch {now} and {whose} now; "
        "nothing was stored; drop the turn"
    )


def forgotten(run_id: str, count: int) -> DamagedError:
    """Return the error for a commit of who has seen events that are not in the log any more."""
    problem = f"{count} events that its turn has seen are not there any more: its world was set back; it begins anew"
    return DamagedError("the log", problem, run_id=run_id)


def task_lost(run_id: str, step_id: str, worker_id: str, epoch: int) -> LeaseLostError:
    """Return the error for a step outcome whose claim is stale."""
    return LeaseLostError(
        f"outcome of worker {worker_id} with epoch {epoch} refused: step {step_id} of run {run_id} is another "
        "worker's task now, or the step or run has ended; nothing was stored; drop the result"
    )


def not_ended(run_id: str, status: str) -> EntityConflictError:
    """Return the refusal to delete a run that goes on."""
    return EntityConflictError(f"run {run_id} is {status} and cannot be deleted; cancel it first")


def not_blocked(run: Run, step_id: str, status: str | None) -> EntityConflictError:
    """Return the error for resolving a step of which it is known how it stands."""
    have = f"is {status}" if status is not None else "has ended, or was never asked for"
    if run.status in RUN_TERMINAL:
        have = f"belongs to a run that is {run.status}"
    return EntityConflictError(
        f"step {step_id} of run {run.id} {have}; only a step that is blocked can be resolved, and nothing was stored"
    )


def needs_log(run_id: str, why: str) -> EntityConflictError:
    """Return the error for dropping events that a run cannot do without."""
    return EntityConflictError(f"the log of run {run_id} was not dropped: {why}; nothing was changed")


def archive_without_build(run_id: str, build: str) -> EntityConflictError:
    """Return the error for dropping the log of a run whose snapshot may become unreadable."""
    return needs_log(
        run_id,
        f"this world does not keep the guest build {build or '(unknown)'} that its snapshot needs; a worker that runs "
        "it once stores the build",
    )


def needs_snapshot(run_id: str, base: int) -> EntityConflictError:
    """Return the error for forgetting the only memory of events that were dropped."""
    return EntityConflictError(
        f"the snapshot of run {run_id} was not deleted: the run's log begins after event {base}, and only the snapshot "
        "knows what was before; nothing was changed"
    )


def stream_closed(batch: StreamBatch) -> StreamClosedError:
    """Return the error for chunks behind a stream's end."""
    return StreamClosedError(
        f"stream {batch.name} of run {batch.run_id} is closed, and {batch.writer} has {len(batch.chunks)} more chunks "
        "for it; nothing was stored; write to another stream, or close this one later"
    )


def stream_carries(batch: StreamBatch, kind: str) -> StreamTypeError:
    """Return the error for values in a stream of bytes, or the other way round."""
    have, want = ("bytes", "a value") if kind else ("values", "bytes")
    return StreamTypeError(
        f"stream {batch.name} of run {batch.run_id} carries {have}, and {batch.writer} writes {want} to it; nothing "
        "was stored; give type='bytes' wherever a stream of bytes is asked for, or nowhere"
    )


def not_overdue(run_id: str, step_id: str) -> EntityConflictError:
    """Return the error for a step that is to be ended because of a deadline, and has not missed it."""
    return EntityConflictError(f"step {step_id} of run {run_id} has not missed a deadline; nothing was stored")


def attempt_over(run_id: str, step_id: str, attempt: int) -> LeaseLostError:
    """Return the error for the progress of an attempt that is not the one which is being made."""
    return LeaseLostError(
        f"attempt {attempt} of step {step_id} of run {run_id} is over: the step has its outcome, or another attempt "
        f"has begun; its progress was not stored"
    )


def stream_of_newer_attempt(batch: StreamBatch, attempt: int) -> LeaseLostError:
    """Return the error for chunks of an attempt that another one has replaced."""
    return LeaseLostError(
        f"attempt {batch.attempt} of step {batch.writer} may not write to stream {batch.name} of run {batch.run_id} "
        f"any more: attempt {attempt} does; nothing was stored"
    )


def stream_lacks_chunks(batch: StreamBatch, sent: int) -> EntityConflictError:
    """Return the error for a batch that follows on chunks that are not there."""
    return EntityConflictError(
        f"chunks refused: {batch.writer} says that it wrote {batch.first} chunks to stream {batch.name} of run "
        f"{batch.run_id} before these, and the world has {sent} of them; nothing was stored"
    )


def schedule_not_found(app: str, name: str, url: str) -> ScheduleNotFoundError:
    """Return the error for a name that no schedule has."""
    whose = f" of application {app!r}" if app else ""
    return ScheduleNotFoundError(
        f"no schedule {name!r}{whose} in world {url}; torpor schedules list shows those there are"
    )


def tenant_not_found(name: str, url: str) -> TenantNotFoundError:
    """Return the error for a name that no tenant has."""
    return TenantNotFoundError(f"no tenant {name!r} in world {url}; torpor tenants shows those there are")


def tenant_of_another(name: str, app: str) -> EntityConflictError:
    """Return the error for a tenant that is another application's."""
    return EntityConflictError(
        f"tenant {name!r} is of application {app!r}; nothing was stored; a tenant's name is its own in the whole world"
    )


def fork_of_another(run_id: str, origin: str) -> EntityConflictError:
    """Return the error for a fork that is to be somebody else's than its origin."""
    return EntityConflictError(
        f"fork {run_id!r} of run {origin!r} would be another's: forks of a tenant's run have ids that begin as its own "
        f"does, and no others; nothing was stored"
    )


def tenant_has_runs(name: str, count: int) -> EntityConflictError:
    """Return the error for a tenant that is to be deleted and has runs."""
    return EntityConflictError(f"tenant {name!r} still has {count} runs; delete them first")


def schedule_changed(name: str, version: int) -> EntityConflictError:
    """Return the error for a change of a schedule that is not as it was any more."""
    have = "was deleted or never made" if not version else "was changed by somebody else, or made already"
    return EntityConflictError(f"schedule {name!r} {have}; nothing was stored; look at it again")


def no_transactions(url: str, why: str) -> TransactionError:
    """Return what to raise when something is to be part of a transaction that cannot be."""
    return TransactionError(f"world {url} cannot be part of a transaction: {why}")
