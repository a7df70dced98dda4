"""
Forking a run: a new run that goes on from any place of another one's log.

The log up to the place is replayed first, in a copy: so its code is seen to agree, be it another one, and what it had
asked for and written there is known. Then it is rewritten as the new run's, and stored in one transaction. The origin
is not touched. A log that has lost its beginning is :mod:`torpor.late_forking`'s business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from torpor import ids, late_forking
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine import forks, plan
from torpor.engine.deployments import Startable
from torpor.engine.images import Images
from torpor.engine.past import LINES_MAX, within_limits
from torpor.engine.rewriting import Heir, chosen, new_tokens, open_hooks, rewritten
from torpor.engine.session import Session
from torpor.engine.tenancy import child_of
from torpor.engine.threads import VmThreads
from torpor.errors import BuildMissingError, ConfigurationError, DivergenceError, UsageError
from torpor.lifecycle import INPUTS, RUN_ENDINGS
from torpor.model import Entities, Event, NewFork, NewRun, Run, RunState, standing
from torpor.vm.guest import Guest, Image, MakeGuest, Op
from torpor.world import World


class Asked(msgspec.Struct, frozen=True):
    """
    What a fork is to be.

    Attributes:
        run_id: whose log it takes.
        at: the place: seq of the last event that it has; a negative one counts from the end.
        new_id: its own id, ``""`` for one that is made.
        results: what steps returned instead, by their ops.
        code: whose code it goes on with; None for the origin's.
        take_over: whether hooks that are open keep their tokens, which must be free.
    """

    run_id: str
    at: int
    new_id: str = ""
    results: dict[int, Any] = {}
    code: Startable | None = None
    take_over: bool = False


class _Told(msgspec.Struct, frozen=True):
    """What a replay tells: digests of its ops as the new run has them, what it asked for beyond the log, and counts."""

    digests: dict[int, bytes]
    outputs: tuple[Event, ...]
    ops: int
    logs: int


async def fork(world: World, guests: MakeGuest, keyring: Keyring, asked: Asked) -> Run:
    """
    Store a run that goes on from a place of another one's log, and return it.

    Raises:
        RunNotFoundError: no such run.
        UsageError: the log tells nothing of that place any more, the run was ending or being cancelled there, or an op
            of *results* is no step that it had asked for.
        DivergenceError: the code does not agree with the log up to there; the message says where.
        EntityConflictError: the new id is taken, or another run has a token that is to be taken over.
        KeyMissingError: the run's key is not here.
        SerializationError, LimitExceededError: a result cannot be stored.
        ProgramMissingError, BuildMissingError, ConfigurationError, VmError, HostError: its VM cannot be brought there.
    """
    run = await world.get_run(asked.run_id)
    if run.base:
        return await _late(world, guests, keyring, asked)
    place = _place(run, asked)
    events = _prefix(run, await world.events(run.id, limit=run.head), place)
    was = keyring.run(run.id, run.key_id)
    new = _new(run, asked, world.clock.now(), keyring)
    becomes = keyring.run(new.id, new.key_id)
    events, results = _with_results(events, asked.results, was)
    async with _vms(world, guests, keyring) as (threads, images):
        guest, image = await _vm(images, run, new, asked.code is not None)
        told = await threads.run(_retold, guest, image, run, events, was, becomes)
    before = [*events, *(event for event in told.outputs if event.digest and event.op)]
    tokens = new_tokens([] if asked.take_over else [created.op for created in open_hooks(before)])
    heir = Heir(becomes, becomes.seed(new.seed), was.seed(run.seed), told.digests, tokens, world.clock.now())
    its = rewritten(before, was, heir)
    origin = forks.Forked(run.id, was.seed(run.seed), tokens)
    forked = Event("run_forked", 0, ref=run.id, due=place, payload=forks.packed(origin, becomes))
    lines = [line for line in await world.log_entries(run.id) if 0 < line.n <= told.logs]
    return await world.fork_run(
        NewFork(
            new=replace(new, build=guest.build, attributes=_attributes(run, await world.events(run.id))),
            origin=run.id,
            place=place,
            before=its,
            after=(forked, *_outcomes(its, results, becomes, run.id)),
            ops=told.ops,
            logs=told.logs,
            lines=tuple(replace(line, text=becomes.pack_text(was.unpack_text(line.text))) for line in lines),
        )
    )


def _place(run: Run, asked: Asked) -> int:
    return asked.at if asked.at >= 0 else run.head + 1 + asked.at


async def _late(world: World, guests: MakeGuest, keyring: Keyring, asked: Asked) -> Run:
    """
    Store a fork of a run whose log has lost its beginning.

    Raises:
        UsageError, ConfigurationError, EntityConflictError: as :func:`fork`.
    """
    parcel = await world.parcel(asked.run_id)
    run = parcel.run
    late_forking.check(parcel, _place(run, asked))
    if asked.code is not None:
        raise UsageError(
            f"the log of run {run.id} begins after event {run.base}, and other code takes all of it; fork it "
            "with its own"
        )
    new = _new(run, asked, world.clock.now(), keyring)
    codecs = keyring.run(run.id, run.key_id), keyring.run(new.id, new.key_id)
    async with _vms(world, guests, keyring) as (threads, images):
        vm = await images.of(RunState(parcel.entities, parcel.snapshot, []))
        return await late_forking.fork(
            world, threads, vm, parcel, new, codecs, asked.results, take_over=asked.take_over
        )


@asynccontextmanager
async def _vms(world: World, guests: MakeGuest, keyring: Keyring) -> AsyncIterator[tuple[VmThreads, Images]]:
    """Have a thread for a VM, and images for it, for the time of the block."""
    threads = VmThreads(1)
    images = Images(world, guests, threads, keyring, build_wait_seconds=None)
    try:
        yield threads, images
    finally:
        images.builds.close()
        threads.shutdown()


def _prefix(run: Run, events: Sequence[Event], place: int) -> list[Event]:
    """
    Return what stands of a log up to a place.

    Raises:
        UsageError: a run cannot go on from there.
    """
    if not 1 <= place <= run.head:
        raise UsageError(f"run {run.id} can be forked after events 1 to {run.head}, not after event {place}")
    found = [event for event in standing([each for each in events if each.seq <= place]) if event.type != "run_retried"]
    for event in found:
        if event.type in RUN_ENDINGS or event.type == "run_cancelling":
            what = "ended" if event.type in RUN_ENDINGS else "was being cancelled"
            raise UsageError(
                f"run {run.id} {what} with event {event.seq} ({event.type}), and nothing goes on from there; fork it "
                f"after event {event.seq - 1} or an earlier one"
            )
    return found


def _with_results(
    events: list[Event], results: Mapping[int, Any], run_codec: RunCodec
) -> tuple[list[Event], dict[int, Any]]:
    """Return a log with chosen results in the place of those that it has, and those whose steps are open."""
    left = dict(results)
    return [_chosen(event, left, run_codec) for event in events], left


def _chosen(event: Event, left: dict[int, Any], run_codec: RunCodec) -> Event:
    if event.type not in ("step_completed", "step_failed") or event.op not in left:
        return event
    payload = run_codec.dumps(left.pop(event.op), f"the result of op {event.op}")
    return replace(event, type="step_completed", payload=payload, due=0, ref="")


def _outcomes(before: Sequence[Event], results: Mapping[int, Any], run_codec: RunCodec, run_id: str) -> list[Event]:
    """
    Return the outcomes of steps that are open, which somebody has chosen.

    Raises:
        UsageError: there is no such step.
    """
    steps = {event.op: event for event in before if event.type == "step_created"}
    found: list[Event] = []
    for op, value in results.items():
        if op not in steps:
            known = ", ".join(f"{each.op} ({each.name.rpartition('//')[2]})" for each in list(steps.values())[-10:])
            raise UsageError(
                f"op {op} of run {run_id} is no step that it had asked for at that place; the last of them: "
                f"{known or 'none'}"
            )
        found += chosen(steps[op], run_codec.dumps(value, f"the result of op {op}"))
    return found


def _new(run: Run, asked: Asked, now: int, keyring: Keyring) -> NewRun:
    """
    Return the new run without what it is made to remember.

    Raises:
        UsageError: the code is of another workflow or language.
    """
    code = asked.code
    if code is not None and (code.name, code.workflow.guest) != (run.workflow, run.guest):
        raise UsageError(
            f"run {run.id} is of {run.workflow} ({run.guest}), and cannot go on as {code.name} ({code.workflow.guest})"
        )
    new_id = child_of(asked.run_id, asked.new_id or ids.fresh("wrun", now))
    key_id = run.key_id if code is None else keyring.current
    return NewRun(
        id=new_id,
        workflow=run.workflow,
        program=run.program if code is None else code.workflow.program,
        guest=run.guest,
        runtime=run.runtime,
        seed=b"" if key_id else ids.seed(),
        input=b"",
        key_id=key_id,
        public=keyring.run(new_id, key_id).public if key_id else b"",
        app=run.app if code is None else code.app,
        queue=run.queue,
        priority=run.priority,
        deadline=run.deadline if run.deadline > now else 0,
        cleanup_ms=run.cleanup_ms,
        cleanup_steps=run.cleanup_steps,
        key=run.key,
    )


async def _vm(images: Images, run: Run, new: NewRun, is_new_code: bool) -> tuple[Guest, Image]:
    """
    Return the guest and image that the fork goes on in: the origin's, unless that build is nowhere, or knows no forks.

    Raises:
        ConfigurationError: no build that is here does.
    """
    if not is_new_code:
        with suppress(BuildMissingError):  # of version 0.1.0, or dropped: the log makes up for it
            guest, image = await images.of(RunState(Entities(run), None, []))
            if "run_forked" in guest.hears:
                return guest, image
    guest, image = await images.installed(replace(run, program=new.program, key_id=new.key_id))
    if "run_forked" not in guest.hears:
        raise ConfigurationError(f"the guest {guest.name} that is installed here knows no forks; upgrade torpor")
    return guest, image


def _retold(guest: Guest, image: Image, run: Run, events: list[Event], was: RunCodec, becomes: RunCodec) -> _Told:
    """
    Replay a log; called in a VM thread.

    Raises:
        DivergenceError: what it asks for is not what the log says.
    """
    return within_limits(lambda count: _replayed(guest, image, run, events, was, becomes, count))


def _replayed(
    guest: Guest,
    image: Image,
    run: Run,
    events: list[Event],
    was: RunCodec,
    becomes: RunCodec,
    events_per_call: int,
) -> _Told:
    digests: dict[int, bytes] = {}
    ops = max((event.op for event in events if event.digest), default=0)
    state = RunState(Entities(replace(run, ops=ops, logs=LINES_MAX)), None, events)
    note: Callable[[Op], None] = lambda op: digests.update({op.n: plan.digest(op, becomes)})  # noqa: E731  # of one line
    session = Session(
        guest,
        image,
        state,
        was,
        url="",
        events_per_call=events_per_call,
        allows=lambda _: True,  # whoever carries it on asks again
        emitted=note,
    )
    try:
        session.start(events[-1].at)
        outputs: list[Event] = []
        left: Sequence[Event] = [event for event in events if event.type in INPUTS]
        while True:
            requests = session.advance(left, events[-1].at)
            outputs += requests.outputs
            left = requests.left
            if not left:
                break
        if session.ops < ops:
            raise DivergenceError(
                f"run {run.id}: after event {events[-1].seq} the code has asked for {session.ops} things, where the "
                f"log has {ops}; nothing was forked"
            )
        return _Told(digests, tuple(outputs), session.ops, session.logs)
    finally:
        session.release()


def _attributes(run: Run, events: Sequence[Event]) -> dict[str, str]:
    """Return the attributes that a run was started with, as far as nobody has changed them since."""
    changed = {name for event in events if event.type == "attr_set" for name in msgspec.json.decode(event.ref)}
    return {name: text for name, text in run.attributes.items() if name not in changed and not name.startswith("$")}
