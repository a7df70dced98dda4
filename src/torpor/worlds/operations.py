"""
What a world is asked to do, as conversations with a store: each operation is a generator that yields what it needs to
know or to have stored (:mod:`.requests`), and returns its answer and whom to tell.

The operation decides nothing itself (:mod:`.rules` does) and waits for nothing: whoever runs it answers each request,
on a thread or in a coroutine, and keeps all of one operation in one transaction. So the usual commit of a claim's
holder is a single :class:`~torpor.worlds.requests.Apply`, and a new back end writes no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeVar

from torpor.attributes import Attributes
from torpor.errors import DamagedError, EntityConflictError, LeaseLostError
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL
from torpor.model import (
    BY_PARENT,
    Commit,
    Committed,
    Ending,
    Entities,
    Event,
    Finished,
    Hook,
    NewRun,
    Notice,
    Run,
    Snapshot,
    StepOutcome,
    Stream,
    StreamBatch,
    build_key,
)
from torpor.model.flow import Place
from torpor.tenant_names import tenant_of
from torpor.worlds import cancelling, claims, control, leaving, mailbox, refusals, retrying, rules, streams, tenants
from torpor.worlds.draft import Changes, renewed
from torpor.worlds.requests import (
    Apply,
    Children,
    Conversation,
    First,
    Inputs,
    Kept,
    Load,
    Moved,
    Newest,
    Operation,
    Owner,
    Part,
    Payloads,
    PutProgress,
    PutStep,
    PutStream,
    Received,
    Reserved,
    Resumed,
    Since,
    Spend,
    StaleError,
    StreamOf,
    StreamState,
    TokenTakenError,
    Watchers,
    Whole,
)

LOOKS_MAX: Final = 100
"""How often an operation looks at a run that others change at the same time."""

T = TypeVar("T")


class _Looks:
    """
    How often an operation has looked at a run, since what it had read was stale each time.

    Args:
        run_id: which.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._left = LOOKS_MAX

    def count(self) -> None:
        """
        Count one more.

        Raises:
            DamagedError: nobody else changes a run so fast; what is stored is not what it is read as.
        """
        if not self._left:
            raise DamagedError("a row", "it is found, and never as it was read", run_id=self._run_id)
        self._left -= 1


# Runs


def create(new: NewRun, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.create_run`."""
    changes = rules.begin(new, now)
    if tenant_of(new.id) and (yield Part(new.id)) is None:
        yield from tenants.admit(new, now, url)
    try:
        yield Apply(changes)
    except StaleError:
        stored = yield from _part(Part(new.id), url)
    else:
        return changes.run, Notice(new.id, work=True)
    first: Event | None = yield First(new.id)
    if not rules.same_start(new, stored.run, first):
        raise refusals.run_taken(new.id, stored.run.workflow)
    return stored.run, None


def cancel(run_id: str, reason: str, now: int, url: str, *, force: bool = False) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.cancel_run`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _load(run_id, url)
        changes = cancelling.cancel(entities, reason, now, force=force)
        if changes is None:
            return entities.run, None
        try:
            yield Apply(changes)
        except StaleError:
            continue
        told = (yield from tell_watchers(changes, now)) if changes.ended else True
        alone = yield from cancel_children(run_id, now, force=force)
        return changes.run, Notice(
            run_id if alone else None, work=told or not alone, ended=changes.ended or not alone, cancelling=True
        )


def expire(run_id: str, now: int, url: str) -> Operation[Run]:
    """
    End a run whose deadline has passed; see :meth:`torpor.world.Queue.claim`.

    Raises:
        EntityConflictError: it has ended meanwhile.
    """
    return (yield from _end(run_id, lambda entities: control.expire(entities, now), now, url))


def retry(run_id: str, since: int | None, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.retry_run`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _load(run_id, url)
        snapshot: Snapshot | None = yield Newest(run_id)
        events: tuple[Event, ...] = yield Whole(run_id)
        planned = retrying.plan(entities, events, snapshot, since, now)
        hooks = planned.live_hooks()
        taken = yield from owned([hook.token for hook in hooks if not hook.watch])
        over = yield from ended_of({hook.watch for hook in hooks if hook.watch})
        changes = retrying.retry(entities, planned, now, taken=taken, over=over)
        try:
            yield Apply(changes)
        except (StaleError, TokenTakenError):
            continue
        return changes.run, Notice(run_id, work=True)


def pause(run_id: str, paused: bool, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.pause_run` and :meth:`torpor.world.Runs.unpause_run`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        changes = control.pause((yield from _load(run_id, url)), paused, now)
        try:
            if changes is not None:
                yield Apply(changes)
        except StaleError:
            continue
        if changes is None:
            return (yield from _part(Part(run_id), url)).run, None
        return changes.run, Notice(run_id, work=not paused)


def wake_up(run_id: str, wait_ids: Collection[str] | None, now: int, url: str) -> Operation[tuple[str, ...]]:
    """Answer :meth:`torpor.world.Runs.wake_up`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        changes = control.wake_up((yield from _load(run_id, url)), wait_ids, now)
        try:
            if changes.events:
                yield Apply(changes)
        except StaleError:
            continue
        return tuple(event.id for event in changes.events), Notice(run_id, work=True)


def set_attributes(run_id: str, attributes: Attributes, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.set_attributes`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        changes = control.set_attributes((yield from _part(Part(run_id), url)), attributes, now)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        return changes.run, None


def archive(run_id: str, through: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.archive`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _load(run_id, url)
        run = entities.run
        if run.status not in RUN_TERMINAL and not (run.build and (yield Kept(build_key(run.build)))):
            raise refusals.archive_without_build(run_id, run.build)
        snapshot: Snapshot | None = yield Newest(run_id)
        goes = tuple(step.seq for step in entities.steps.values() if step.input is None and step.seq <= through)
        inputs: dict[int, bytes] = (yield Payloads(run_id, goes)) if goes else {}
        changes = rules.archive(entities, snapshot, through, inputs)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        return changes.run, None


def forget_snapshot(run_id: str, url: str) -> Operation[None]:
    """Answer :meth:`torpor.world.Snapshots.delete_snapshot`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        run = (yield from _part(Part(run_id), url)).run
        try:
            yield Apply(rules.forget_snapshot(run))
        except StaleError:
            continue
        return None, None


# Hooks


def resume(token: str, payload: bytes, resume_id: str, now: int, url: str, run_id: str | None = None) -> Operation[str]:
    """Answer :meth:`torpor.world.Hooks.resume_hook`."""
    looks = _Looks(run_id or "")
    while True:
        looks.count()
        receiver = yield from resumed(token, resume_id)
        if receiver:
            return receiver, None
        hook = yield from hook_of(token)
        if run_id is not None and hook.run_id != run_id:
            raise refusals.hook_of_another(token, run_id)
        entities = yield from _part(Part(hook.run_id, due=now, hook=hook.id), url)
        try:
            if hook.id not in entities.hooks:  # disposed of since it was looked up
                raise StaleError
            yield Apply(rules.receive(entities, hook.id, payload, resume_id, now))
        except StaleError:
            continue
        return hook.run_id, Notice(hook.run_id, work=True)


def resumed(token: str, resume_id: str) -> Conversation[str]:
    """Answer :meth:`torpor.world.Hooks.resumed`."""
    run_id: str = yield Resumed(token, resume_id)
    return run_id


def hook_of(token: str) -> Conversation[Hook]:
    """
    Return the live hook that has a token.

    Raises:
        HookNotFoundError: there is none.
    """
    hook: Hook | None = yield Owner(token)
    if hook is None:
        raise refusals.hook_not_found(token)
    return hook


# Messages


def send(run_id: str, name: str, payload: bytes, message_id: str, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Mailbox.send`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _part(Part(run_id, due=now), url)
        if (yield Received(run_id, message_id)):
            return entities.run, None
        changes = mailbox.send(entities, name, payload, message_id, now)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        return changes.run, Notice(run_id, work=True)


# Turns


def commit(commit: Commit, held: Entities | None, now: int, url: str) -> Operation[Committed]:
    """Answer :meth:`torpor.world.Turns.commit`. When *held* is what is stored, nothing of the run is read."""
    over: set[str] = set()
    taken: dict[str, str] = {}
    if any(event.type == "hook_created" for event in commit.outputs):  # of others nobody is watched or asked for
        over = yield from _over(commit)
        taken = yield from _taken(commit, now)
    foreign: tuple[Event, ...] = ()
    if held is not None and not (held.run.head == commit.expected_head and rules.may_commit(held.run, commit)):
        held = None  # what lies between the two may be foreign, and a paused run may go on by now
    known = held
    if held is not None and _tasks_of(commit, held):
        held = None  # tasks change without the run, so that nobody knows them who has not just looked
    fresh = False
    looks = _Looks(commit.run_id)
    while True:
        looks.count()
        if held is None:
            held = yield from _now(known, commit, url)
            rules.check_commit(held.run, commit)
            foreign, too_late = (), False
            if held.run.head != commit.expected_head:
                foreign = yield Inputs(commit.run_id, commit.expected_head)
                # What a VM has consumed keeps its time, and the log's times never go back.
                too_late = any(event.at < held.run.latest_at for event in commit.inputs)
            if (commit.inputs and (foreign or too_late)) or not rules.may_commit(held.run, commit):
                return Committed(stored=False, head=held.run.head, foreign=foreign), None
            fresh = True
        try:
            changes, committed = rules.turn(held, commit, foreign=foreign, taken=taken, over=over)
        except (EntityConflictError, LeaseLostError):
            if fresh:
                raise
            held = None  # nobody is refused for what may not be so any more
            continue
        try:
            yield Apply(changes)
        except StaleError:
            held = None
            continue
        except TokenTakenError as error:
            taken[error.token] = error.run_id
            continue
        ended = changes.ended
        told = (yield from tell_watchers(changes, now)) if ended else False
        work = told or _frees(held) if ended else committed.parked or any(not task.claimed for task in commit.tasks)
        hooked = bool(committed.answers) and not ended
        given_up = any(event.type == "step_cancelled" for event in commit.outputs)
        ending = Ending(changes.run, changes.events[-1]) if ended else None
        return committed, Notice(
            commit.run_id, work=work, ended=ended, hooked=hooked, cancelling=given_up, ending=ending
        )


def snooze(run_id: str, worker_id: str, epoch: int, until: int, why: str, url: str) -> Operation[None]:
    """Answer :meth:`torpor.world.Turns.snooze`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        run = (yield from _part(Part(run_id), url)).run
        rules.check_claim(run, worker_id, epoch)
        try:
            yield Apply(Changes(claims.snooze(run, until, why), run))
        except StaleError:
            continue
        return None, Notice(run_id, work=True)


def finish_step(outcome: StepOutcome, now: int, url: str) -> Operation[Finished]:
    """Answer :meth:`torpor.world.Turns.finish_step`."""
    looks = _Looks(outcome.run_id)
    while True:
        looks.count()
        entities = yield from _part(Part(outcome.run_id, due=now, step=outcome.step_id), url)
        changes = rules.finish(entities, outcome, now)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        if outcome.queue and outcome.spent:
            yield Spend(entities.run.app, outcome.queue, outcome.spent, now)
        # Whose turn is claimed hears of it there; a slot, or another attempt, is work for anybody.
        work = not changes.run.worker or outcome.event.type != "step_completed" or bool(outcome.queue)
        return Finished(changes.run, changes.events), Notice(outcome.run_id, work=work)


def give_up(run_id: str, step_id: str, now: int, url: str) -> Operation[None]:
    """
    End a step whose deadline has passed while nobody carried it out; see :meth:`torpor.world.Queue.claim`.

    Raises:
        EntityConflictError: it has not missed one, or not any more.
    """
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _part(Part(run_id, due=now, step=step_id), url)
        try:
            yield Apply(rules.give_up(entities, step_id, now))
        except StaleError:
            continue
        return None, Notice(run_id, work=True)


def resolve_step(run_id: str, step_id: str, event: Event, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Runs.resolve_step`."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _part(Part(run_id, due=now, step=step_id), url)
        changes = rules.resolve(entities, step_id, event, now)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        return changes.run, Notice(run_id, work=True)


def snooze_step(
    run_id: str, step_id: str, worker_id: str, epoch: int, until: int, why: str, place: Place | None, url: str
) -> Operation[None]:
    """Answer :meth:`torpor.world.Turns.snooze_step`."""
    entities = yield from _part(Part(run_id, step=step_id), url)
    step = rules.check_task(entities, step_id, worker_id, epoch)
    try:
        yield PutStep(claims.snooze_step(entities.run, step, until, why, place), step.epoch)
    except StaleError:
        raise refusals.task_lost(run_id, step_id, worker_id, epoch) from None
    return None, Notice(run_id, work=True)


def keep_progress(run_id: str, step_id: str, attempt: int, progress: bytes, url: str) -> Operation[None]:
    """Answer :meth:`torpor.world.Turns.keep_progress`."""
    entities = yield from _part(Part(run_id, step=step_id), url)
    yield PutProgress(rules.keep_progress(entities, step_id, attempt, progress))
    return None, None


# Streams


def write_stream(batch: StreamBatch, now: int, url: str) -> Operation[Stream]:
    """Answer :meth:`torpor.world.Streams.write_stream`."""
    looks = _Looks(batch.run_id)
    while True:
        looks.count()
        found: StreamState | None = yield StreamOf(batch.run_id, batch.name, batch.writer)
        if found is None:
            raise refusals.run_not_found(batch.run_id, url)
        changes = streams.write(found.stream, found.writer, batch, now)
        if changes is None:
            assert found.stream is not None, "what is stored already is there"
            return found.stream, None
        try:
            yield PutStream(changes)
        except StaleError:
            continue
        return changes.stream, Notice(batch.run_id, written=True)


# Within


def _end(run_id: str, rule: Callable[[Entities], Changes], now: int, url: str) -> Operation[Run]:
    """End a run from outside, and tell those who watch it."""
    looks = _Looks(run_id)
    while True:
        looks.count()
        entities = yield from _load(run_id, url)
        changes = rule(entities)
        try:
            yield Apply(changes)
        except StaleError:
            continue
        told = yield from tell_watchers(changes, now)
        return changes.run, Notice(run_id, work=told or _frees(entities), ended=True)


def _load(run_id: str, url: str) -> Conversation[Entities]:
    found: Entities | None = yield Load(run_id)
    return _here(found, run_id, url)


def _part(part: Part, url: str) -> Conversation[Entities]:
    found: Entities | None = yield part
    return _here(found, part.run_id, url)


def _here(found: Entities | None, run_id: str, url: str) -> Entities:
    """Return a run to which something may happen here: all that happens to runs passes by."""
    if found is None:
        raise refusals.run_not_found(run_id, url)
    if where := leaving.whereto(found.run):
        raise refusals.moved(run_id, where)
    return found


def _frees(ended: Entities) -> bool:
    """Return whether the end of a run may let something begin that waits for a slot."""
    return bool(ended.run.slot) or any(step.place is not None for step in ended.steps.values())


def _tasks_of(commit: Commit, held: Entities) -> tuple[str, ...]:
    """Return the tasks whose rows a commit changes; an end withdraws them all."""
    tasks = {step.id for step in held.steps.values() if step.task}
    if not tasks:
        return ()
    events = (*commit.inputs, *commit.outputs)
    if any(event.type in RUN_ENDINGS for event in events):
        return tuple(tasks)
    return tuple(tasks.intersection(event.id for event in events))


def _now(known: Entities | None, commit: Commit, url: str) -> Conversation[Entities]:
    """Return a run as it is now; what was *known* of it is not read again, but for what has changed since."""
    if known is None or known.run.worker != commit.worker_id:
        return (yield from _load(commit.run_id, url))
    since: Since | None = yield Moved(commit.run_id, known.run.head, _tasks_of(commit, known))
    if since is None:
        raise refusals.run_not_found(commit.run_id, url)
    now, about = since.entities, since.about
    if (now.run.epoch, now.run.base) != (known.run.epoch, known.run.base):  # an archived log leaves inputs in rows
        return (yield from _load(commit.run_id, url))
    steps = renewed(known.steps, now.steps, about)
    return Entities(now.run, steps, renewed(known.waits, now.waits, about), renewed(known.hooks, now.hooks, about))


def _over(commit: Commit) -> Conversation[set[str]]:
    """Return which of the runs that a commit wants to watch are over."""
    over = set()
    for event in commit.outputs:
        if event.watches:
            found: Entities | None = yield Part(event.watches)
            if found is None or found.run.status in RUN_TERMINAL:
                over.add(event.watches)
    return over


def _taken(commit: Commit, now: int) -> Conversation[dict[str, str]]:
    """Return which of the tokens that a commit asks for somebody has, or are reserved for another run."""
    taken = {}
    for event in commit.outputs:
        if event.type == "hook_created" and not event.watches:
            hook: Hook | None = yield Owner(event.name)
            owner: str = hook.run_id if hook is not None else (yield Reserved(event.name, now))
            if owner and (hook is not None or owner != commit.run_id):
                taken[event.name] = owner
    return taken


def cancel_children(run_id: str, now: int, *, force: bool) -> Conversation[bool]:
    """Cancel what a run has started, and what that has started; return whether there was nothing."""
    started: tuple[str, ...] = yield Children(run_id)
    left = list(started)
    while left:
        child = left.pop()
        looks = _Looks(child)
        while True:
            try:
                looks.count()
                entities: Entities | None = yield Load(child)
                if entities is None or entities.run.status in RUN_TERMINAL or leaving.whereto(entities.run):
                    break
                changes = cancelling.cancel(entities, BY_PARENT, now, force=force)
                if changes is None:
                    break
                yield Apply(changes)
            except StaleError:
                continue
            except DamagedError:  # it cannot go on anyway; its parent is cancelled all the same
                break
            if changes.ended:
                yield from tell_watchers(changes, now)
            left += yield Children(child)
            break
    return not started


def _hears(entities: Entities, hook_id: str) -> bool:
    """Return whether a hook may be told of an end; who is leaving hears of it where it goes."""
    run = entities.run
    return hook_id in entities.hooks and run.status not in RUN_TERMINAL and not leaving.whereto(run)


def owned(tokens: Iterable[str]) -> Conversation[dict[str, str]]:
    """Return which of some tokens live hooks have, with their runs."""
    taken = {}
    for token in tokens:
        hook: Hook | None = yield Owner(token)
        if hook is not None:
            taken[token] = hook.run_id
    return taken


def ended_of(run_ids: Iterable[str]) -> Conversation[set[str]]:
    """Return which of some runs have ended or do not exist."""
    over = set()
    for run_id in run_ids:
        found: Entities | None = yield Part(run_id)
        if found is None or found.run.status in RUN_TERMINAL:
            over.add(run_id)
    return over


def tell_watchers(changes: Changes, now: int) -> Conversation[bool]:
    """Tell every hook that watches a run of its end; return whether there was one."""
    ended = changes.run
    assert changes.events[-1].type in RUN_ENDINGS, "only an end is told"
    watchers: tuple[Hook, ...] = yield Watchers(ended.id)
    for hook in watchers:
        looks = _Looks(hook.run_id)
        while True:
            try:
                looks.count()
                entities: Entities | None = yield Part(hook.run_id, due=now, hook=hook.id)
                if entities is not None and _hears(entities, hook.id):
                    yield Apply(rules.watched(entities, hook.id, ended.id, now))
            except StaleError:
                continue
            except DamagedError:  # who waits for the end is the one that cannot go on, and not the one that ends
                pass
            break
    return bool(watchers)
