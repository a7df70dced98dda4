"""What is asked of a store when a run comes from elsewhere, or goes there."""

from __future__ import annotations

from collections.abc import Callable

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Chunk, Entities, Hook, Notice, Parcel, Run, WholeStream
from torpor.worlds import leaving, parcels, refusals
from torpor.worlds.draft import MAILBOX, Changes
from torpor.worlds.operations import cancel_children, tell_watchers
from torpor.worlds.requests import (
    Apply,
    Conversation,
    Load,
    Operation,
    Owner,
    Part,
    PutProgress,
    PutStream,
    Reserved,
    Resumed,
    StaleError,
    TokenTakenError,
)
from torpor.worlds.streams import StreamChanges


def arrive(parcel: Parcel, paused: bool, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Parcels.put_parcel`."""
    parcels.check(parcel)
    run_id = parcel.run.id
    if (yield Part(run_id)) is not None:
        raise refusals.run_is_here(run_id, url)
    live = [hook for hook in parcel.entities.hooks.values() if hook.status == "live"]
    taken = yield from _taken({hook.token for hook in live if not hook.watch}, run_id, now)
    if taken:
        raise refusals.tokens_taken(run_id, taken)
    over = yield from _over({hook.watch for hook in live if hook.watch})
    changes = parcels.arrive(parcel, now, over, paused=paused)
    try:
        yield Apply(changes)
    except StaleError:
        raise refusals.run_is_here(run_id, url) from None
    except TokenTakenError as error:
        raise refusals.tokens_taken(run_id, {error.token: error.run_id}) from None
    yield from _rest(parcel, changes, now)
    ended = changes.run.status in RUN_TERMINAL
    if ended:
        yield from tell_watchers(changes, now)
    if changes.run.status == "cancelled":
        yield from cancel_children(run_id, now, force=False)
    return changes.run, Notice(run_id, work=True, ended=ended)


def _rest(parcel: Parcel, arrived: Changes, now: int) -> Conversation[None]:
    """Store what no change of a run holds all of: what it has received and reserved, progress, and streams."""
    run = arrived.run
    for message in parcel.messages:
        yield Apply(Changes(run, run, resumed=(MAILBOX, message)))
    for token, resume_id in parcel.resumed:
        if not (yield Resumed(token, resume_id)):  # else another run here has received that, and answers for it
            yield Apply(Changes(run, run, resumed=(token, resume_id)))
    reserved = {token: until for token, until in parcel.reserved.items() if until > now}
    if reserved:
        others = yield from _taken(reserved, run.id, now)
        kept = {token: until for token, until in reserved.items() if token not in others}
        yield Apply(Changes(run, run, reserved=kept))
    for step in arrived.steps.values():
        if step is not None and step.progress is not None:
            yield PutProgress(step)
    for whole in parcel.streams:
        yield from _stream(whole)


def _stream(whole: WholeStream) -> Conversation[None]:
    chunks: dict[str, list[Chunk]] = {}
    for chunk in whole.chunks:
        chunks.setdefault(chunk.writer, []).append(chunk)
    before = None
    for writer in whole.writers:
        yield PutStream(StreamChanges(before, whole.stream, writer, tuple(chunks.get(writer.id, ()))))
        before = whole.stream


def _taken(tokens: dict[str, int] | set[str], run_id: str, now: int) -> Conversation[dict[str, str]]:
    """Return which of some tokens others have, or are reserved for others, with their runs."""
    taken = {}
    for token in tokens:
        hook: Hook | None = yield Owner(token)
        owner: str = hook.run_id if hook is not None else (yield Reserved(token, now))
        if owner and owner != run_id:
            taken[token] = owner
    return taken


def _over(run_ids: set[str]) -> Conversation[set[str]]:
    """Return which of some runs are here and have ended; those that are not here may come yet."""
    over = set()
    for run_id in run_ids:
        found: Entities | None = yield Part(run_id)
        if found is not None and found.run.status in RUN_TERMINAL:
            over.add(run_id)
    return over


# Leaving


def leave(run_id: str, where: str, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Parcels.leave`."""
    return (yield from _mark(run_id, lambda entities: leaving.leave(entities, where), url))


def stay(run_id: str, now: int, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Parcels.stay`."""
    return (yield from _mark(run_id, lambda entities: leaving.stay(entities, now), url))


def left(run_id: str, url: str) -> Operation[Run]:
    """Answer :meth:`torpor.world.Parcels.left`."""
    return (yield from _mark(run_id, lambda entities: leaving.left(entities.run), url))


def _mark(run_id: str, rule: Callable[[Entities], Changes | None], url: str) -> Operation[Run]:
    while True:
        found: Entities | None = yield Load(run_id)
        if found is None:
            raise refusals.run_not_found(run_id, url)
        changes = rule(found)
        try:
            if changes is not None:
                yield Apply(changes)
        except StaleError:
            continue
        return (found.run if changes is None else changes.run), Notice(run_id, work=True)
