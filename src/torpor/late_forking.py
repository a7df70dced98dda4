"""
Forking a run whose log has lost its beginning: at the present, from its newest snapshot on.

The snapshot makes up for what is gone, as it does for the run itself; what is open is taken from its rows. So the new
run begins like one that comes from elsewhere: with a snapshot, and a log from there on. Earlier places would take what
was open there, which nobody knows any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from torpor.attributes import FORKED
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine import forks, plan
from torpor.engine.past import LINES_MAX, within_limits
from torpor.engine.rewriting import Heir, chosen, new_tokens, rewritten, rewritten_rows
from torpor.engine.session import Session
from torpor.engine.threads import VmThreads
from torpor.errors import ConfigurationError, EntityConflictError, UsageError
from torpor.lifecycle import INPUTS, RUN_TERMINAL
from torpor.model import NOW, Event, NewRun, Parcel, Run, RunState, Snapshot, standing
from torpor.vm.guest import Guest, Image
from torpor.world import World


def check(parcel: Parcel, place: int) -> Snapshot:
    """
    Return the snapshot from which a run is forked.

    Raises:
        UsageError: it cannot be forked there.
    """
    run, snapshot = parcel.run, parcel.snapshot
    begins = f"the log of run {run.id} begins after event {run.base}"
    if run.status in RUN_TERMINAL or snapshot is None:
        again = "torpor retry goes on with it, and " if run.status == "failed" else ""
        raise UsageError(
            f"{begins}, and it has ended, so that it cannot be forked any more; {again}torpor rerun {run.id} starts it "
            "anew"
        )
    if run.cancel_by:
        raise UsageError(f"run {run.id} is being cancelled, and nothing goes on from there")
    if place != run.head:
        raise UsageError(
            f"{begins}, so that it can be forked at the present only, from its snapshot: after event {run.head} "
            f"(--at -1), not after event {place}"
        )
    return snapshot


async def fork(
    world: World,
    threads: VmThreads,
    vm: tuple[Guest, Image],
    parcel: Parcel,
    new: NewRun,
    codecs: tuple[RunCodec, RunCodec],
    results: Mapping[int, Any],
    *,
    take_over: bool,
) -> Run:
    """
    Store a run that goes on from the present of another one, and return it.

    Args:
        world: has both.
        threads: the VM runs in one of them.
        vm: guest and image of the snapshot.
        parcel: the other run; :func:`check` has let it pass.
        new: what the new one is to be.
        codecs: of the other run, and of the new one.
        results: what open steps return, by their ops.
        take_over: whether hooks that are open keep their tokens, which must be free.

    Raises:
        UsageError: the run is at work, or an op of *results* is no open step.
        ConfigurationError: its guest build knows no forks.
        EntityConflictError: the new id, or a token that is to be taken over, is taken.
        SerializationError, LimitExceededError: a result cannot be stored.
        DivergenceError, SnapshotError, VmError: its VM cannot be brought back.
    """
    (guest, image), (was, becomes) = vm, codecs
    run, snapshot = parcel.run, check(parcel, parcel.run.head)
    if "run_forked" not in guest.hears:
        raise ConfigurationError(
            f"run {run.id} sleeps in the guest build {guest.build[:12]}, which knows no forks, and its log has lost "
            "its beginning, so that it cannot be carried over; it is forked once a worker has woken it in a newer one"
        )
    now = world.clock.now()
    events = standing([event for event in parcel.log if event.seq > snapshot.cursor])
    digests = await threads.run(_digests, guest, image, parcel, events, was, becomes)
    live = [hook for hook in parcel.entities.hooks.values() if hook.status == "live" and not hook.watch]
    tokens = new_tokens([] if take_over else [hook.op for hook in live])
    heir = Heir(becomes, becomes.seed(new.seed), was.seed(run.seed), digests, tokens, now)
    log = rewritten(events, was, heir, base=snapshot.cursor)
    at = max(now, run.latest_at)
    origin = forks.Forked(run.id, was.seed(run.seed), tokens)
    forked = Event("run_forked", 0, ref=run.id, due=run.head, payload=forks.packed(origin, becomes))
    made = rewritten_rows(parcel.entities, _run(run, new, snapshot.cursor, now), log, was, heir)
    steps = {step.op: step for step in made.steps.values()}
    outcomes: list[Event] = []
    for op, value in results.items():
        if op not in steps:
            known = ", ".join(f"{each.op} ({each.name.rpartition('//')[2]})" for each in steps.values())
            raise UsageError(f"op {op} of run {run.id} is no step that is open now; those are: {known or 'none'}")
        outcomes += chosen(steps.pop(op), becomes.dumps(value, f"the result of op {op}"))
    behind = snapshot.cursor + len(log)
    log = (*log, *(replace(event, seq=seq, at=at) for seq, event in enumerate([forked, *outcomes], behind + 1)))
    entities = replace(
        made,
        run=replace(made.run, head=snapshot.cursor + len(log), latest_at=at),
        steps={step.id: step for step in steps.values()},
    )
    lines = [line for line in parcel.lines if 0 < line.n <= run.logs]
    return await _stored(
        world,
        Parcel(
            entities,
            log,
            tuple(replace(line, text=becomes.pack_text(was.unpack_text(line.text))) for line in lines),
            replace(snapshot, data=becomes.pack_binary(was.unpack_binary(snapshot.data))),
        ),
    )


async def _stored(world: World, parcel: Parcel) -> Run:
    """Store a fork; the same one that is there already is returned."""
    try:
        return await world.put_parcel(parcel)
    except EntityConflictError:
        there = (await world.statuses({parcel.run.id})).get(parcel.run.id)
        mark, workflow = parcel.run.attributes[FORKED], parcel.run.workflow
        if there is None or (there.attributes.get(FORKED), there.workflow) != (mark, workflow):
            raise
        return there


def _run(run: Run, new: NewRun, base: int, now: int) -> Run:
    """Return the new run as it is before it is stored: ready at once, with the counts of the other one."""
    own = {name: text for name, text in run.attributes.items() if not name.startswith("$")}
    return Run(
        new.id,
        new.workflow,
        new.program,
        new.guest,
        new.runtime,
        "running",
        new.seed,
        created_at=now,
        started_at=run.started_at,
        ops=run.ops,
        logs=run.logs,
        key_id=new.key_id,
        public=new.public,
        app=new.app,
        queue=new.queue,
        build=run.build,
        base=base,
        ready_at=NOW,
        queued_at=now,
        priority=new.priority,
        deadline=new.deadline,
        attributes=own | {FORKED: f"{run.id}@{run.head}"},
        sent=run.sent,
        received=run.received,
        receiving=run.receiving,
        cleanup_ms=new.cleanup_ms,
        cleanup_steps=new.cleanup_steps,
        key=new.key,
    )


def _digests(
    guest: Guest, image: Image, parcel: Parcel, events: Sequence[Event], was: RunCodec, becomes: RunCodec
) -> dict[int, bytes]:
    """
    Return the digests of the ops behind the snapshot, as the new run has them; called in a VM thread.

    Raises:
        UsageError: the code asks for what is not stored yet.
    """
    return within_limits(lambda count: _replayed(guest, image, parcel, events, was, becomes, count))


def _replayed(
    guest: Guest,
    image: Image,
    parcel: Parcel,
    events: Sequence[Event],
    was: RunCodec,
    becomes: RunCodec,
    events_per_call: int,
) -> dict[int, bytes]:
    digests: dict[int, bytes] = {}
    run = parcel.run
    state = RunState(replace(parcel.entities, run=replace(run, logs=LINES_MAX)), parcel.snapshot, [*events])
    session = Session(
        guest,
        image,
        state,
        was,
        url="",
        events_per_call=events_per_call,
        allows=lambda _: True,  # whoever carries it on asks again
        emitted=lambda op: digests.update({op.n: plan.digest(op, becomes)}),
    )
    try:
        session.start(0)
        left: Sequence[Event] = [event for event in events if event.type in INPUTS]
        while left and session.ops <= run.ops:
            left = session.advance(left, run.latest_at).left
        if left or session.ended or session.ops != run.ops:
            raise UsageError(
                f"run {run.id} is at work, and the beginning of its log is gone, so that it is forked while it sleeps; "
                "try again in a moment"
            )
        return digests
    finally:
        session.release()
