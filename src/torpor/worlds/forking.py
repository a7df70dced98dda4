"""
Forking a run: pure rules, as :mod:`.rules` are, and the conversation in which they are asked.

A fork is a new run that begins with a log instead of arguments. Its rows follow from that log, event by event, by the
rules that made the origin's. Whoever asks has rewritten it: ids, payloads and tokens are the new run's.

* What was open at the place is open: steps begin anew, under new ids; timers keep their due times.
* A live hook claims its token. New ones are nobody's; one that is to be taken over must be free.
* A hook that watches a run goes on watching it; if that has ended, it is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from msgspec.structs import replace

from torpor.attributes import FORKED
from torpor.errors import DamagedError
from torpor.lifecycle import RUN_TERMINAL, EventType
from torpor.model import Entities, Event, NewFork, Notice, Run
from torpor.tenant_names import tenant_of
from torpor.worlds import refusals, rules, tenants
from torpor.worlds.draft import Changes, Draft, watched_ended
from torpor.worlds.operations import ended_of, owned
from torpor.worlds.requests import Apply, Operation, Part, StaleError, TokenTakenError

_NOT_TAKEN_ALONG: Final[frozenset[EventType]] = frozenset(
    (
        *("run_created", "run_retried", "run_paused", "run_unpaused", "run_cancelling"),
        *("run_completed", "run_failed", "run_cancelled"),
    )
)
_OF_AN_ATTEMPT: Final[frozenset[EventType]] = frozenset(
    ("step_completed", "step_failed", "step_retrying", "step_blocked", "step_cancelled")
)


def begin(fork: NewFork, now: int, *, over: Collection[str] = ()) -> Changes:
    """
    Return a run that begins with a log, ready at once.

    Args:
        fork: the run and the log.
        now: epoch milliseconds.
        over: runs that hooks watch, and that have ended or do not exist.

    Raises:
        EntityConflictError: the log is none that a run may begin with.
    """
    first, *rest = fork.before or (Event("run_started", now),)
    if first.type != "run_created" or any(event.type in _NOT_TAKEN_ALONG for event in rest):
        raise refusals.no_beginning(fork.new.id)
    if [event.seq for event in fork.before] != list(range(1, len(fork.before) + 1)):
        raise refusals.no_beginning(fork.new.id)
    if not fork.after or fork.after[0].type != "run_forked":
        raise refusals.no_beginning(fork.new.id)
    created = rules.begin(fork.new, now).run
    draft = Draft(Entities(replace(created, latest_at=first.at)))
    for event in rest:
        if event.type in _OF_AN_ATTEMPT and event.attempt:
            draft.attempted(event.id, event.attempt)
        draft.append(event, consumed=True)
    open_hooks = [hook for hook in draft.hooks_now() if hook.watch in over and hook.status == "live"]
    at = max(now, draft.events[-1].at if draft.events else first.at)
    for event in fork.after:
        draft.append(replace(event, at=at))
    for hook in open_hooks:
        draft.append(watched_ended(hook.id, hook.op, hook.watch, at))
    changes = draft.changes(ops=fork.ops, logs=fork.logs, lines=fork.lines)
    attributes = changes.run.attributes | {FORKED: f"{fork.origin}@{fork.place}"}
    return replace(
        changes, run=replace(changes.run, attributes=attributes), before=None, events=(first, *changes.events)
    )


def same_fork(fork: NewFork, stored: Run) -> bool:
    """Return whether *fork* asks for the run that is there already: of this origin, at this place."""
    return stored.attributes.get(FORKED) == f"{fork.origin}@{fork.place}" and stored.workflow == fork.new.workflow


def fork(fork: NewFork, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.fork_run`."""
    if tenant_of(fork.origin) != tenant_of(fork.new.id):
        raise refusals.fork_of_another(fork.new.id, fork.origin)
    if tenant_of(fork.new.id) and (yield Part(fork.new.id)) is None:
        yield from tenants.admit(fork.new, now, url)
    created = [event for event in fork.before if event.type == "hook_created"]
    over = yield from ended_of({event.watches for event in created if event.watches})
    changes = begin(fork, now, over=over)
    tokens = [hook.token for hook in changes.hooks.values() if hook is not None and _claims(hook.status, hook.watch)]
    taken: Mapping[str, str] = yield from owned(tokens)
    for token, owner in taken.items():
        if owner != fork.new.id:
            raise refusals.token_not_free(fork.new.id, token, owner)
    try:
        yield Apply(changes)
    except TokenTakenError as error:
        raise refusals.token_not_free(fork.new.id, error.token, error.run_id) from error
    except StaleError:
        found: Entities | None = yield Part(fork.new.id)
        if found is None:
            raise DamagedError("a row", "it is found, and never as it was read", run_id=fork.new.id) from None
        if not same_fork(fork, found.run):
            raise refusals.run_taken(fork.new.id, found.run.workflow) from None
        return found.run, None
    return changes.run, Notice(fork.new.id, work=changes.run.status not in RUN_TERMINAL)


def _claims(status: str, watch: str) -> bool:
    return status == "live" and not watch
