"""What is damaged in a world: rows that make no sense, and runs whose parts do not agree with one another."""

from __future__ import annotations

from collections.abc import Iterable

from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine import plan
from torpor.engine.agreement import check_rows, check_state
from torpor.engine.images import read_program
from torpor.errors import DamagedError, KeyMissingError, LimitExceededError, SerializationError, SnapshotError
from torpor.inspection.deployments import read_uses
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Event, Run, RunFilter, RunState
from torpor.thread_start import in_thread
from torpor.vm.delta import unpack_delta
from torpor.world import World

_PAGE = 500


async def find_damage(world: World, keyring: Keyring) -> dict[str, str]:
    """
    Return what is damaged, by what it concerns: the id of a run, or the name of something else.

    All rows are looked at, and what belongs to runs that have not ended is compared; of encrypted ones as far as their
    keys are here. It takes some microseconds a row.
    """
    found: dict[str, str] = {}
    for error in await world.damaged():
        found.setdefault(error.run_id or error.row, str(error))
    before: str | None = None
    while page := await world.list_runs(RunFilter(before=before, limit=_PAGE)):
        for run in page:
            if run.damage:
                found.setdefault(run.id, run.damage)
            elif run.status not in RUN_TERMINAL and run.id not in found:
                found |= await _damage_of(world, keyring, run)
        before = page[-1].id
    for use in await read_uses(world):
        try:
            program = await read_program(world, keyring, use.program, use.key_id)
        except KeyMissingError:
            continue
        if program is None:
            found[f"program {use.program}"] = (
                f"the program that {use.count} runs need is not there or damaged; a worker of application {use.app!r} "
                f"stores it again"
            )
    return found


async def _damage_of(world: World, keyring: Keyring, run: Run) -> dict[str, str]:
    try:
        state = await world.load(run.id)
        if state.run.status in RUN_TERMINAL:
            return {}
        events = [event for event in await world.events(run.id) if event.seq <= state.run.head]
        await _check_watches(world, state.held)
        has_key = not run.key_id or run.key_id in keyring.ids
        run_codec = keyring.run(run.id, run.key_id)
        await in_thread("comparing what is stored", _check, state, events, run_codec, has_key=has_key)
    except (DamagedError, SnapshotError) as error:
        return {run.id: str(error)}
    return {}


async def _check_watches(world: World, held: Entities) -> None:
    """
    Check that a run that waits for the end of others has heard of those that have ended.

    Raises:
        DamagedError: it has not, and would wait for ever.
    """
    watched = {hook.watch for hook in held.hooks.values() if hook.watch and hook.status == "live"}
    ended = await world.statuses(watched, ended=True)
    if ended:  # whose end is told with it: what is read after it knows
        for hook in (await world.open_entities(held.run.id)).hooks.values():
            if hook.watch in ended and hook.status == "live":
                problem = f"it waits for the end of run {hook.watch}, which has ended"
                raise DamagedError(f"hook {hook.id}", problem, run_id=held.run.id)


def _check(state: RunState, events: Iterable[Event], run_codec: RunCodec, *, has_key: bool) -> None:
    check_rows(state.held, events, whole=not state.run.base)
    if not has_key:
        return
    check_state(state, run_codec.seed(state.run.seed))
    for event in events:
        plan.delivery(state.run.id, event, run_codec)
        plan.check_record(state.run.id, event, run_codec)
    if state.snapshot is not None:
        try:
            unpack_delta(run_codec.unpack_binary(state.snapshot.data), state.snapshot.image)
        except (SerializationError, LimitExceededError) as error:  # a header may claim any size
            raise SnapshotError(f"the snapshot of run {state.run.id} is damaged: {error}") from error
