"""
The steps that a turn runs itself while it keeps its VM hot.

They are owned by the turn's lease: no task stands for them, so that a sequential step costs one commit. If the turn
hands them over (because they take long), each becomes a task that this worker holds, and its outcome is stored on its
own from then on.

A step whose attempts store their outcomes themselves, in a transaction, is such a task from the beginning. The turn
stays hot for it all the same, and is told what was stored.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from torpor.engine.attempts import Attempt
from torpor.engine.holding import Outcomes
from torpor.engine.runner import Runner, Running
from torpor.model import Event, Finished

_ABOUT_SECONDS: Final = 0.001
"""An alarm may ring so much early: clocks of event loops count in steps."""


class InlineSteps:
    """
    The inline steps of one claim of a run; they outlive a rewind of the VM.

    Args:
        runner: carries them out.
        report: stores the outcome of a step that was handed over.
        finished: returns, once, what an attempt that has ended has stored of its outcome itself.
        told: is told of such an outcome.
        most: how many of one run may be inline at once.
    """

    def __init__(
        self,
        runner: Runner,
        report: Callable[[Event], None],
        finished: Callable[[Attempt], Finished | None],
        told: Callable[[Event], None],
        most: int,
    ) -> None:
        self._runner = runner
        self._report = report
        self._finished = finished
        self._told = told
        self._most = most
        self._apart: dict[str, None] = {}  # tasks of this worker's that the turn stays hot for
        self._stored: list[Finished] = []  # by them
        self._running: dict[str, None] = {}  # in the order in which they began
        self._attempts: dict[str, Running] = {}
        self._outcomes: list[Event] = []
        self._arrival: asyncio.Future[None] | None = None  # while the turn waits
        self._is_hurried = False
        self._hurried_ends = self._patience_ends = 0.0  # by the event loop's time
        self._alarm: asyncio.TimerHandle | None = None
        self._handed_over: set[str] = set()
        self._given_up: set[str] = set()
        self._held = Outcomes(runner.holding)
        self._is_closed = False

    @property
    def room(self) -> int:
        """How many more steps may start inline."""
        return max(0, min(self._runner.free, self._most - len(self._running) - len(self._apart)))

    @property
    def running(self) -> tuple[str, ...]:
        """Ids of the steps that run, or whose outcome was not taken yet."""
        untaken = [event.id for event in self._outcomes]
        if not (self._apart or self._stored):
            return (*self._running, *untaken)
        return (*self._running, *self._apart, *untaken, *[each.events[-1].id for each in self._stored])

    def start(self, attempt: Attempt) -> None:
        """Begin an attempt whose ``step_started`` is stored."""
        if attempt.claim is None:
            self._running[attempt.step_id] = None
            self._attempts[attempt.step_id] = self._runner.start(attempt, self._ended)
        else:
            self._apart[attempt.step_id] = None
            ended = functools.partial(self._ended_apart, attempt)
            self._attempts[attempt.step_id] = self._runner.start(attempt, ended)

    def cancel(self) -> None:
        """End every attempt that the turn still owns, because its claim is lost."""
        self._runner.cancel([self._attempts[step_id] for step_id in self._running])

    def give_up(self, steps: Iterable[str]) -> None:
        """End the attempts of these steps that are here, and drop their outcomes."""
        given_up = set(steps)
        ours = (*self._running, *self._apart)
        self._runner.cancel([self._attempts[step_id] for step_id in ours if step_id in given_up])
        self._running = {step_id: None for step_id in self._running if step_id not in given_up}
        self._apart = {step_id: None for step_id in self._apart if step_id not in given_up}
        self._given_up |= given_up
        self.forget_all_but({event.id for event in self._outcomes} - given_up)

    async def outcomes(self, seconds: float, hurried: float) -> list[Event]:
        """
        Return all outcomes there are, waiting for the first one up to *seconds*, or up to *hurried* of them after
        :meth:`hurry`; empty when none came.

        Those that were returned before are stored by now, or were put back.
        """
        self._held.keep(self._outcomes)
        if not (self._outcomes or self._stored) and seconds > 0:
            loop = asyncio.get_running_loop()
            self._arrival = loop.create_future()
            self._hurried_ends = loop.time() + hurried
            self._patience_ends = self._hurried_ends if self._is_hurried else loop.time() + seconds
            self._set_alarm(loop)
            try:
                await self._arrival
            finally:
                self._arrival = None
        taken, self._outcomes = self._outcomes, []
        return taken

    def stored(self) -> tuple[Finished, ...]:
        """Return what steps have stored themselves since this was asked last, in the order of the log."""
        taken, self._stored = self._stored, []
        return tuple(sorted(taken, key=lambda each: each.run.head))

    def hurry(self) -> None:
        """Let the turn wait no longer than it must, until :meth:`calm`."""
        self._is_hurried = True
        if self._arrival is not None and self._hurried_ends < self._patience_ends:
            self._patience_ends = self._hurried_ends
            self._set_alarm(asyncio.get_running_loop())

    def calm(self) -> None:
        """Let it wait as long as it likes. May be called on any thread."""
        self._is_hurried = False

    def put_back(self, events: Sequence[Event]) -> None:
        """Return outcomes that could not be stored, to be taken again before newer ones."""
        self._outcomes = [*events, *self._outcomes]
        if events:
            self._wake()

    def forget_all_but(self, open_steps: AbstractSet[str]) -> None:
        """Drop outcomes of steps that are not open any more: a commit that seemed to fail had stored them."""
        self._outcomes = [event for event in self._outcomes if event.id in open_steps]

    def hand_over(self, steps: Iterable[str]) -> None:
        """Store the outcome of each of these steps that is here on its own when it comes, or now if it waits here."""
        handed_over = set(steps)
        self._handed_over |= self._running.keys() & handed_over
        self._running = {step_id: None for step_id in self._running if step_id not in handed_over}
        taken = [event for event in self._outcomes if event.id in handed_over]
        self._outcomes = [event for event in self._outcomes if event.id not in handed_over]
        self._held.keep(self._outcomes)
        for event in taken:
            self._report(event)

    def close(self) -> None:
        """Drop what was not taken, and what comes later, unless it was handed over: the turn is over."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._outcomes = []
        self._held.keep([])

    def _ended(self, outcome: Event) -> None:
        self._attempts.pop(outcome.id, None)
        if outcome.id in self._handed_over:
            self._handed_over.discard(outcome.id)
            self._report(outcome)
            return
        if self._is_closed or outcome.id in self._given_up:
            return
        # It is never in neither: VM threads look, to see whether the run will park.
        self._held.add(outcome)
        self._outcomes.append(outcome)
        self._running.pop(outcome.id, None)
        self._wake()

    def _ended_apart(self, attempt: Attempt, outcome: Event) -> None:
        """Take note of the end of an attempt that a claim of its own stands for, whatever has become of the turn."""
        self._attempts.pop(outcome.id, None)
        finished = self._finished(attempt)
        if finished is None:
            self._report(outcome)
        else:
            self._told(outcome)
        if outcome.id in self._apart:
            del self._apart[outcome.id]
            if finished is not None:
                self._stored.append(finished)
            self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that patience ends in time: one alarm serves many short waits, and looks again when it is early."""
        if self._alarm is not None:
            if self._alarm.when() <= self._patience_ends:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(self._patience_ends, self._alarmed, loop)

    def _alarmed(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        if self._arrival is None:
            return
        if loop.time() + _ABOUT_SECONDS < self._patience_ends:
            self._set_alarm(loop)
        else:
            self._wake()
