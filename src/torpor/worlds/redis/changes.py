"""Storing what a rule decided: rows, and the sets by which they are found."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Hook, Run, Step
from torpor.worlds.draft import MAILBOX, Changes
from torpor.worlds.redis import tenants
from torpor.worlds.redis.draft import Draft
from torpor.worlds.redis.keys import Keys, Route, joined, member, parted
from torpor.worlds.redis.rows import pack, pack_changed, pack_fence, pack_list, pack_step
from torpor.worlds.redis.store import CHANGED, CREATED, FENCE, NUMBER, TASKS, VERSION, WATCHED, RunRow, Store
from torpor.worlds.requests import StaleError, TokenTakenError

HELD: Final = ("holds", "awake")

Spot = tuple[Route, str, bytes, int]
"""Where something waits: its route, of whom it is there, what stands for it, and when it is ready."""


def apply(store: Store, changes: Changes) -> None:
    """
    Put changes into the draft.

    Raises:
        StaleError: the run is not as it was any more.
        TokenTakenError: another hook has a token.
    """
    run, before, draft, keys = changes.run, changes.before, store.draft, store.keys
    row = _expected(store, run.id, before)
    _check_tokens(store, changes)
    if row is None:
        number = store.next_number()
        row = RunRow(run, run, number, b"")
        draft.put(store.run_key(run.id), {CREATED: pack(run), NUMBER: b"%d" % number})
        draft.add(keys.runs, number, run.id.encode())
        draft.add(keys.ids, 0, run.id.encode())
        if run.parent:
            draft.put(keys.of("children", run.parent), {run.id.encode(): b"%d" % number})
    save_run(store, row, before, run)
    _put_log(store, changes)
    for step_id, step in changes.steps.items():
        is_whole = before is None or changes.drop_log
        _put_step(store, row.n, run, step_id, step, with_input=is_whole)
    _put_waits(store, changes)
    if changes.hooks:
        _put_hooks(store, row.n, changes)
    if changes.reserved:
        _reserve(store, changes)
    if changes.resumed is not None:
        _remember(store, run.id, *changes.resumed)
    _put_rest(store, changes)
    tenants.count(store, changes)
    store.runs[run.id] = store.with_run(row, run)


def _expected(store: Store, run_id: str, before: Run | None) -> RunRow | None:
    """
    Return a run that is as it was thought to be, as far as this is known by now; None when it is new.

    Raises:
        StaleError: it is not.
        DamagedError: it has turned out to be one that cannot be written.
    """
    store.check(run_id)
    key, known = store.run_key(run_id), store.runs.get(run_id)
    if known is None and (store.is_strict or before is None):
        if store.is_strict:
            [found] = store.connection.ask(store.asked_run(run_id))
            known = store.seen(run_id, found)
        else:
            store.draft.expect(key, VERSION, None)
    if known is None:
        if before is None:
            return None
        if store.is_strict:
            raise StaleError
        its_fence = store.fences.of(before)
        if its_fence is None:
            store.draft.expect_beginning(key, FENCE, pack_fence(before))
        else:
            store.draft.expect(key, FENCE, its_fence)
        origin = store.origin(run_id)
        if origin is None:
            store.draft.expect(key, VERSION, None)
            raise StaleError
        created, n = origin
        store.draft.expect(key, NUMBER, b"%d" % n)
        return RunRow(before, created, n, b"")
    if before is None or store.fences.differ(known.run, before):
        raise StaleError
    return known


def _check_tokens(store: Store, changes: Changes) -> None:
    wanted = [hook for hook in changes.hooks.values() if hook is not None and _awaits(hook)]
    found = store.draft.get_all(store.keys.tokens, [hook.token.encode() for hook in wanted])
    for hook, place in zip(wanted, found, strict=True):
        if place is not None:
            run_id, hook_id = parted(place)
            if run_id != changes.run.id or hook_id not in changes.hooks:
                raise TokenTakenError(hook.token, run_id)


def _awaits(hook: Hook) -> bool:
    return hook.status == "live" and not hook.watch


# The run's own row


def save_run(store: Store, row: RunRow, before: Run | None, run: Run) -> None:
    """Put a run's row into the draft, and all by which it is found."""
    draft = store.draft
    fields = {CHANGED: pack_changed(row.created, run), VERSION: store.new_version()}
    its_fence = store.fences.changed(before, run)
    draft.put(store.run_key(run.id), fields if its_fence is None else {**fields, FENCE: its_fence})
    _index_run(draft, store.keys, row.n, before, run)


def _index_run(draft: Draft, keys: Keys, n: int, before: Run | None, run: Run) -> None:
    run_id = run.id.encode()
    was = before.status if before is not None else ""
    if was != run.status:
        if was:
            draft.remove(keys.of("status", was), run_id)
        draft.add(keys.of("status", run.status), n, run_id)
    ended_at = before.ended_at if before is not None else 0
    if ended_at != run.ended_at:
        if run.ended_at:
            draft.add(keys.ended, run.ended_at, run_id)
        else:
            draft.remove(keys.ended, run_id)
    _schedule(draft, keys.deadlines, run_id, _deadline(before), _deadline(run))
    move(draft, keys, spot_of_turn(n, before), spot_of_turn(n, run))
    place = joined(run.id, "")
    _own(draft, keys, place, before.worker if before is not None else "", run.worker)
    _hold(draft, keys, place, _slot_of_run(before), _slot_of_run(run))


def _deadline(run: Run | None) -> int:
    return run.deadline if run is not None and run.status not in RUN_TERMINAL else 0


def _schedule(draft: Draft, key: bytes, what: bytes, was: int, at: int) -> None:
    if at and at != was:
        draft.add(key, at, what)
    elif was and not at:
        draft.remove(key, what)


def spot_of_turn(n: int, run: Run | None) -> Spot | None:
    """Return where a run's turn waits; None when it does not."""
    if run is None or run.worker or run.ready_at is None or run.status in RUN_TERMINAL:
        return None
    route = Route("t", run.app, run.queue, run.guest, run.key_id, run.slot == "waits")
    return route, run.key if route.lane else "", member(run.priority, run.queued_at, n, 0, run.id), run.ready_at


def spot_of_step(n: int, run: Run, step: Step | None) -> Spot | None:
    """Return where a step task waits; None when it does not."""
    if step is None or step.worker or step.ready_at is None:
        return None
    place = step.place
    queue = run.queue if place is None else place.queue
    route = Route("s", run.app, queue, step.name, run.key_id, place is not None)
    what = member(run.priority, step.queued_at, n, step.seq, run.id, step.id)
    return route, "" if place is None else place.key, what, step.ready_at


def move(draft: Draft, keys: Keys, was: Spot | None, spot: Spot | None) -> None:
    """Let something wait elsewhere."""
    if was == spot:
        return
    if was is not None:
        route, key, what, _ = was
        for kind in ("ready", "later"):  # where it is by now others may have changed
            draft.remove(keys.of(kind, pack_list(route), key), what)
    if spot is not None:
        route, key, what, ready_at = spot
        name = pack_list(route)
        draft.add(keys.routes, 0, name)
        if route.lane:
            draft.add(keys.of("keys", name), 0, key.encode())
        draft.add(keys.of("later" if ready_at else "ready", name, key), ready_at, what)


def _own(draft: Draft, keys: Keys, place: bytes, was: str, worker: str) -> None:
    """Note whose claim something is."""
    if was == worker:
        return
    if was:
        draft.drop(keys.of("claims", was), [place])
    if worker:
        draft.put(keys.of("claims", worker), {place: b""})
        draft.put(keys.owners, {worker.encode(): b"1"})


def _slot_of_run(run: Run | None) -> tuple[str, str, bytes] | None:
    if run is None or run.slot not in HELD:
        return None
    return run.app, run.queue, joined(run.worker, run.key)


def _slot_of_step(run: Run, step: Step | None) -> tuple[str, str, bytes] | None:
    if step is None or step.place is None or not step.worker:
        return None
    return run.app, step.place.queue, joined(step.worker, step.place.key)


def _hold(
    draft: Draft, keys: Keys, place: bytes, was: tuple[str, str, bytes] | None, slot: tuple[str, str, bytes] | None
) -> None:
    """Note who has a slot of a queue."""
    if was == slot:
        return
    if was is not None and (slot is None or slot[:2] != was[:2]):
        draft.drop(keys.of("slots", *was[:2]), [place])
    if slot is not None:
        draft.put(keys.of("slots", *slot[:2]), {place: slot[2]})


# What belongs to it


def _put_log(store: Store, changes: Changes) -> None:
    run, before = changes.run, changes.before
    key = store.keys.of("log", run.id)
    if changes.drop_log and before is not None and run.base > before.base:
        store.draft.trim(key, run.base - before.base)
    if changes.events:
        store.draft.append(key, [pack(event) for event in changes.events])
        store.appended.setdefault(run.id, []).extend(changes.events)


def _put_step(store: Store, n: int, run: Run, step_id: str, step: Step | None, *, with_input: bool) -> None:
    draft, keys, field = store.draft, store.keys, step_id.encode()
    was = store.steps.get((run.id, step_id))
    index_step(draft, keys, n, run, was, step)
    if step is None:
        for kind in ("steps", "progress", "inputs"):
            draft.drop(keys.of(kind, run.id), [field])
        store.steps.pop((run.id, step_id), None)
        return
    draft.put(keys.of("steps", run.id), {field: pack_step(step)})
    if with_input and step.input is not None:
        draft.put(keys.of("inputs", run.id), {field: step.input})
    store.steps[run.id, step_id] = step if was is None else replace(step, input=was.input, progress=was.progress)


def index_step(draft: Draft, keys: Keys, n: int, run: Run, was: Step | None, step: Step | None) -> None:
    """Put into the draft all by which a step task is found."""
    step_id = step.id if step is not None else was.id if was is not None else ""
    place = joined(run.id, step_id)
    move(draft, keys, spot_of_step(n, run, was), spot_of_step(n, run, step))
    _own(draft, keys, place, was.worker if was is not None else "", step.worker if step is not None else "")
    _hold(draft, keys, place, _slot_of_step(run, was), _slot_of_step(run, step))
    gave_up_at = was.gives_up_at if was is not None else 0
    _schedule(draft, keys.giving_up, place, gave_up_at, step.gives_up_at if step is not None else 0)


def put_task(store: Store, step: Step, expected: int) -> None:
    """
    Put the row of a step task into the draft, whose run was read.

    Raises:
        StaleError: its epoch is not the expected one any more.
    """
    row, was = store.runs[step.run_id], store.steps.get((step.run_id, step.id))
    if was is None or was.epoch != expected:
        raise StaleError
    save_task(store, row, was, step)


def save_task(store: Store, row: RunRow, was: Step, step: Step) -> None:
    """Put the row of a step task into the draft, and all by which it is found; nothing of the run changes."""
    index_step(store.draft, store.keys, row.n, row.run, was, step)
    store.draft.put(store.keys.of("steps", step.run_id), {step.id.encode(): pack_step(step)})
    store.draft.put(store.run_key(step.run_id), {TASKS: store.new_version()})
    store.steps[step.run_id, step.id] = replace(step, input=was.input, progress=was.progress)


def put_progress(store: Store, step: Step) -> None:
    """Put what an attempt has told of its progress into the draft."""
    store.draft.put(store.keys.of("progress", step.run_id), {step.id.encode(): step.progress or b""})


def _put_waits(store: Store, changes: Changes) -> None:
    key = store.keys.of("waits", changes.run.id)
    store.draft.drop(key, [wait_id.encode() for wait_id, wait in changes.waits.items() if wait is None])
    store.draft.put(key, {i.encode(): pack(wait) for i, wait in changes.waits.items() if wait is not None})


def _put_hooks(store: Store, n: int, changes: Changes) -> None:
    draft, keys, run_id = store.draft, store.keys, changes.run.id
    key = keys.of("hooks", run_id)
    # A hook that is put and live claims anew what it has; of the others it must be known what they had.
    ending = [hook_id for hook_id, hook in changes.hooks.items() if hook is None or hook.status != "live"]
    for hook_id in ending:
        _unfind(store, joined(run_id, hook_id))
    draft.drop(key, [hook_id.encode() for hook_id, hook in changes.hooks.items() if hook is None])
    for hook_id, hook in changes.hooks.items():
        if hook is None:
            continue
        draft.put(key, {hook_id.encode(): pack(hook)})
        if hook.status == "live":
            place = joined(run_id, hook_id)
            if hook.watch:
                draft.put(keys.of("watchers", hook.watch), {place: b"%d %d" % (n, hook.op)})
                draft.touch(store.run_key(hook.watch), WATCHED, store.new_version())
            else:
                draft.put(keys.tokens, {hook.token.encode(): place})


def _unfind(store: Store, place: bytes) -> None:
    """Let nobody find a hook any more by its token, or by the run that it watches."""
    was = store.hook_at(place)
    if was is None or was.status != "live":
        return
    if was.watch:
        store.draft.drop(store.keys.of("watchers", was.watch), [place])
        store.draft.touch(store.run_key(was.watch), WATCHED, store.new_version())
    else:
        store.draft.drop(store.keys.tokens, [was.token.encode()])


def _reserve(store: Store, changes: Changes) -> None:
    draft, keys, run_id = store.draft, store.keys, changes.run.id
    for token, until in changes.reserved.items():
        field = token.encode()
        draft.put(keys.reserved, {field: b"%d %s" % (until, run_id.encode())})
        draft.put(keys.of("reserved-by", run_id), {field: b"%d" % until})


def _remember(store: Store, run_id: str, token: str, resume_id: str) -> None:
    if token == MAILBOX:
        store.draft.put(store.keys.of("messages", run_id), {resume_id.encode(): b""})
    else:
        known = joined(token, resume_id)
        store.draft.put(store.keys.resumed, {known: run_id.encode()})
        store.draft.put(store.keys.of("resumed-by", run_id), {known: b""})


def _put_rest(store: Store, changes: Changes) -> None:
    draft, run_id = store.draft, changes.run.id
    for line in changes.lines:
        draft.add_field(store.keys.of("lines", run_id), b"%d" % line.n, pack(line))
    key = store.keys.of("snapshot", run_id)
    if changes.snapshot is not None:
        about = replace(changes.snapshot, data=b"")
        draft.put(key, {b"about": pack(about), b"data": changes.snapshot.data})
    elif changes.drop_snapshot:
        draft.unlink([key])
