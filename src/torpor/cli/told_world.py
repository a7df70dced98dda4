"""A world that tells what is stored through it, as it is stored: exactly what the worker of this process does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torpor.model import Commit, Committed, Event, LogEntry, StepOutcome
from torpor.world import World

Listener = Callable[[str, Sequence[Event], Sequence[LogEntry]], None]
"""Takes a run's id and what was just stored of it."""


class ToldWorld:
    """
    Passes everything on to a world, and tells a listener of the commits and step outcomes that were stored.

    Notices of the world would not do: they are hints, and do not say what is new.

    Args:
        world: the world.
        listener: called on the event loop; it must not wait.
    """

    def __init__(self, world: World, listener: Listener) -> None:
        self._world = world
        self._listener = listener

    async def commit(self, commit: Commit) -> Committed:
        """Commit, and tell it when it was stored."""
        committed = await self._world.commit(commit)
        if committed.stored:
            self._listener(commit.run_id, (*commit.inputs, *commit.outputs), commit.log_entries)
        return committed

    async def finish_step(self, outcome: StepOutcome) -> None:
        """Store a step's outcome, and tell it."""
        await self._world.finish_step(outcome)
        self._listener(outcome.run_id, (outcome.event,), ())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)
