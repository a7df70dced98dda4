"""
Runs that come from elsewhere: pure rules, as :mod:`.rules` are.

A parcel may come from anywhere, so :func:`check` looks at it before anything is stored: what the rows of a world rely
on must hold in it. :func:`arrive` then stores it as a run whose workers have died: who claims it goes on from its
snapshot and its log. Who was carrying it out elsewhere may still be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final, NoReturn

import msgspec
from msgspec.structs import replace

from torpor import attributes
from torpor.errors import CapsuleError, LimitExceededError
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL
from torpor.limits import PARCEL_STREAM_BYTES_MAX
from torpor.model import Entities, Event, Parcel, Run, Step, Stream, WholeStream
from torpor.worlds import claims, leaving
from torpor.worlds.draft import Changes, Draft, watched_ended

NUMBER_MAX: Final = 2**53 - 1
SEQ_MAX: Final = 2**32 - 1
ID_CHARS_MAX: Final = 1_024
_SEED_BYTES: Final = 32
_STEP_STATES: Final = frozenset({"pending", "running", "retrying", "blocked"})
_HOOK_STATES: Final = frozenset({"live", "conflict", "told", "ended"})


def check_streams(run_id: str, streams: Iterable[Stream]) -> None:
    """
    Do nothing if the streams of a run are small enough to be sent.

    Raises:
        LimitExceededError: they are not.
    """
    size = sum(stream.size for stream in streams)
    if size > PARCEL_STREAM_BYTES_MAX:
        raise LimitExceededError(
            f"the streams of run {run_id} have {size} bytes; a run that goes to another world, or into a capsule, has "
            f"{PARCEL_STREAM_BYTES_MAX} at most"
        )


def check(parcel: Parcel) -> None:
    """
    Do nothing if a parcel makes sense: a world may store it.

    Raises:
        CapsuleError: it does not; the message says what.
        LimitExceededError: its streams are too large.
    """
    run = parcel.run
    if not 0 < len(run.id) <= ID_CHARS_MAX:
        _refuse(parcel, f"its id has {len(run.id)} characters")
    if attributes.MOVED in run.attributes:
        _refuse(parcel, f"it has gone to world {run.attributes[attributes.MOVED]}, and only its name was kept")
    if run.damage:
        _refuse(parcel, f"it was damaged where it comes from: {run.damage:.200}")
    for record in _records(parcel):
        _check_numbers(parcel, record)
    if len(run.seed) not in ({0} if run.key_id else {_SEED_BYTES}):
        _refuse(parcel, f"its seed has {len(run.seed)} bytes")
    _check_attributes(parcel)
    _check_log(parcel)
    _check_open(parcel)
    _check_rest(parcel)
    check_streams(run.id, [each.stream for each in parcel.streams])
    for stream in parcel.streams:
        _check_stream(parcel, stream)


def arrive(parcel: Parcel, now: int, over: Collection[str], *, paused: bool) -> Changes:
    """
    Return what stores a run that comes from elsewhere.

    Args:
        parcel: what comes; it was checked.
        now: the world's time.
        over: runs that it watches and that have ended here.
        paused: nothing is to happen in it before somebody lets it go on.
    """
    here = leaving.stayed(parcel.entities, now)
    run = here.run
    if run.status in RUN_TERMINAL:
        return stored(parcel, replace(here, run=replace(run, worker="", epoch=run.epoch + 1)))
    steps = {step.id: _released(run, step, now) for step in here.steps.values()}
    run = claims.release(run, now) if run.worker else replace(run, epoch=run.epoch + 1)
    run = replace(run, redeliveries=0, snoozes=0, snoozed="", slot=claims.slot_of_sleeping(run))
    entities = replace(here, run=run, steps=steps)
    draft = Draft(entities)
    for hook in entities.hooks.values():
        if hook.status == "live" and hook.watch in over:
            draft.append(watched_ended(hook.id, hook.op, hook.watch, now))
    if draft.events:
        draft.wake(now)
    if paused and not run.paused:
        draft.append(Event("run_paused", now))
    return stored(parcel, entities, draft.changes())


def same_run(one: Run, other: Run) -> bool:
    """Return whether two runs of one id are copies of one: they began in the same world at the same moment."""
    return all(
        getattr(one, name) == getattr(other, name) for name in ("id", "seed", "public", "created_at", "app", "workflow")
    )


def stored(parcel: Parcel, entities: Entities, more: Changes | None = None) -> Changes:
    """Return changes that add all of a parcel, with what follows from its arrival."""
    return Changes(
        entities.run if more is None else more.run,
        None,
        (*parcel.log, *(() if more is None else more.events)),
        {**entities.steps, **({} if more is None else more.steps)},
        dict(entities.waits),
        {**entities.hooks, **({} if more is None else more.hooks)},
        lines=parcel.lines,
        snapshot=parcel.snapshot,
        drop_log=True,  # nothing is there before its base, and steps take the inputs that the log has not
        arrived=True,
    )


def _released(run: Run, step: Step, now: int) -> Step:
    if not step.worker:
        return step
    released = claims.release_step(run, step, now)
    if released.status != "blocked":
        return replace(released, redeliveries=0)
    why = f"attempt {step.attempt} was under way where the run came from, and nobody knows how that ended"
    return replace(released, snoozed=why)


# What makes sense


def _refuse(parcel: Parcel, what: str) -> NoReturn:
    raise CapsuleError(f"what came of run {parcel.run.id!r:.100} does not fit together: {what}; nothing was stored")


def _records(parcel: Parcel) -> Iterator[msgspec.Struct]:
    entities = parcel.entities
    yield entities.run
    yield from entities.steps.values()
    yield from entities.waits.values()
    yield from entities.hooks.values()
    yield from parcel.log
    if parcel.snapshot is not None:
        yield parcel.snapshot
    for each in parcel.streams:
        yield each.stream
        yield from each.writers
        yield from each.chunks


def _check_numbers(parcel: Parcel, record: msgspec.Struct) -> None:
    for name in record.__struct_fields__:
        value = getattr(record, name)
        least = -NUMBER_MAX if name == "priority" else 0
        if isinstance(value, int) and not least <= value <= NUMBER_MAX:
            _refuse(parcel, f"{name} of {type(record).__name__} is {value}")


def _check_attributes(parcel: Parcel) -> None:
    own = parcel.run.attributes
    try:
        for name, value in own.items():
            attributes.check_write({name: value}, reserved=True)
        attributes.check_total(own)
    except (LimitExceededError, ValueError) as error:
        _refuse(parcel, str(error))


def _check_log(parcel: Parcel) -> None:
    run, log = parcel.run, parcel.log
    if not (run.base <= run.head <= SEQ_MAX and run.head):
        _refuse(parcel, f"its log begins after event {run.base} and ends with event {run.head}")
    if [event.seq for event in log] != list(range(run.base + 1, run.head + 1)):
        _refuse(parcel, f"its log has {len(log)} events, and not those from {run.base + 1} to {run.head}")
    if run.base == 0 and (not log or log[0].type != "run_created"):
        _refuse(parcel, "its log begins with something else than its creation")
    if any(one.at > other.at for one, other in pairwise(log)):
        _refuse(parcel, "times go back in its log")
    if any(event.type == "run_created" for event in log[1:]):
        _refuse(parcel, "it was created twice")
    ended = run.status in RUN_TERMINAL
    if ended != bool(log and log[-1].type in RUN_ENDINGS) or ended != bool(run.ended_at):
        _refuse(parcel, f"it is {run.status}, and its log ends with {log[-1].type if log else 'nothing'}")
    snapshot = parcel.snapshot
    if snapshot is not None and not run.base <= snapshot.cursor <= run.head:
        _refuse(parcel, f"its snapshot stands at event {snapshot.cursor}")
    if run.base and not ended and (snapshot is None or run.runtime == "replay"):
        _refuse(parcel, "its log begins late, and no snapshot makes up for that")


def _check_open(parcel: Parcel) -> None:
    run, entities = parcel.run, parcel.entities
    for kind, rows in (("step", entities.steps), ("wait", entities.waits), ("hook", entities.hooks)):
        for row_id, row in rows.items():
            if row.id != row_id or getattr(row, "run_id", run.id) != run.id:
                _refuse(parcel, f"{kind} {row_id:.100} is another one's")
    for step in entities.steps.values():
        if step.status not in _STEP_STATES:
            _refuse(parcel, f"step {step.id:.100} is {step.status:.20}")
        if step.input is None:
            made = parcel.log[step.seq - run.base - 1] if run.base < step.seq <= run.head else None
            if made is None or made.type != "step_created" or made.id != step.id:
                _refuse(parcel, f"the input of step {step.id:.100} is nowhere")
    for hook in entities.hooks.values():
        if hook.status not in _HOOK_STATES or (hook.status == "live" and run.status in RUN_TERMINAL):
            _refuse(parcel, f"hook {hook.id:.100} of a run that is {run.status} is {hook.status:.20}")
        if (hook.key_id, hook.public) != (run.key_id, run.public):
            _refuse(parcel, f"hook {hook.id:.100} has another key than its run")


def _check_rest(parcel: Parcel) -> None:
    if len({line.n for line in parcel.lines}) != len(parcel.lines):
        _refuse(parcel, "two of its log lines have one number")
    if len({*parcel.messages}) != len(parcel.messages) or len({*parcel.resumed}) != len(parcel.resumed):
        _refuse(parcel, "it has received something twice")
    if any(not token for token, _ in parcel.resumed):
        _refuse(parcel, "it was resumed by an empty token")
    if len({each.stream.name for each in parcel.streams}) != len(parcel.streams):
        _refuse(parcel, "two of its streams have one name")


def _check_stream(parcel: Parcel, whole: WholeStream) -> None:
    stream, chunks = whole.stream, whole.chunks
    writers = {writer.id: writer for writer in whole.writers}
    what = f"stream {stream.name!r:.100}"
    if stream.run_id != parcel.run.id or len(writers) != len(whole.writers) or not writers:
        _refuse(parcel, f"{what} is another run's, or has no writers of its own")
    if [chunk.index for chunk in chunks] != list(range(stream.count)):
        _refuse(parcel, f"{what} has {len(chunks)} of {stream.count} chunks")
    if sum(len(chunk.data) for chunk in chunks) != stream.size:
        _refuse(parcel, f"{what} has not {stream.size} bytes")
    for chunk in chunks:
        writer = writers.get(chunk.writer)
        if writer is None or chunk.attempt > writer.attempt:
            _refuse(parcel, f"chunk {chunk.index} of {what} is nobody's")
