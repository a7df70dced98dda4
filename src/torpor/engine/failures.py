"""Why a run failed in its own code: the failure of a step that it could not live with, or a fault of its own."""

from __future__ import annotations

from collections.abc import Iterator

from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.errors import RemoteError
from torpor.engine.endings import read_ending
from torpor.engine.step_deadlines import missed
from torpor.errors import UsageError
from torpor.lifecycle import INPUTS
from torpor.model import Event, Run, standing
from torpor.world import World


async def failed_step(world: World, run: Run, run_codec: RunCodec) -> int:
    """
    Return the seq of the ``step_failed`` that made a run fail: the last one whose error is what the workflow raised, or
    what that came from; else the one that the workflow had just met.

    Raises:
        UsageError: there is none: the workflow's code failed by itself.
        KeyMissingError: the run's key is not here.
        DamagedError: its log does not end as the run says.
    """
    ending = await read_ending(world, run)
    events = standing(await world.events(run.id))
    raised = set(_chain(run_codec.loads(ending.payload) if ending.payload else None))
    for event in reversed(events):
        if event.type == "step_failed" and not raised.isdisjoint(_chain(_error_of(event, run_codec))):
            return event.seq
    met = [event for event in events if event.type in INPUTS]
    if met and met[-1].type == "step_failed":
        return met[-1].seq
    raise UsageError(
        f"run {run.id} failed in its own code and by no step, so that the same would happen again; mend the workflow, "
        f"and start a run with the same input: torpor rerun {run.id}"
    )


def _error_of(event: Event, run_codec: RunCodec) -> object:
    return run_codec.loads(event.payload) if event.payload else missed(event)


def _chain(error: object) -> Iterator[tuple[str, str]]:
    """Yield name and message of an error and of those that it came from."""
    seen: set[int] = set()  # values may have cycles
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error.name if isinstance(error, RemoteError) else type(error).__name__, str(error)
        error = error.__cause__ or error.__context__
