"""
Who wants a turn to go to sleep that keeps its VM hot for steps: what has come for its run, or others need its place.

A turn learns what others have written to its log with its next commit, so one that only listens to its steps is told. A
notice is a hint: one that is lost costs the rest of the turn's patience, and one too many some of its warmth.
"""

from __future__ import annotations

from collections.abc import Callable

from torpor.model import Notice


class Impatience:
    """The turns of a worker that listen to their steps, or will, by the ids of their runs."""

    def __init__(self) -> None:
        self._turns: dict[str, Callable[[], None]] = {}

    def add(self, run_id: str, hurry: Callable[[], None]) -> None:
        """Have *hurry* called when a run's turn is to go to sleep soon."""
        self._turns[run_id] = hurry

    def remove(self, run_id: str, hurry: Callable[[], None]) -> None:
        """Call it no more; the run may have another turn by now."""
        if self._turns.get(run_id) == hurry:
            del self._turns[run_id]

    def notice(self, notice: Notice) -> None:
        """Hurry those for whose runs something may have come."""
        if not (notice.work or notice.cancelling):
            return
        if notice.run_id is None or notice.ended:  # the end of one run is news for others
            self.hurry_all()
        elif (hurry := self._turns.get(notice.run_id)) is not None:
            hurry()

    def hurry_all(self) -> None:
        """Hurry everybody: the place is needed."""
        for hurry in tuple(self._turns.values()):
            hurry()
