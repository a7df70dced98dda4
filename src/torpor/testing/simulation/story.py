"""What happened, for people to read: one line for each thing, with virtual time and process."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from torpor.model import (
    ClaimRequest,
    Claims,
    Commit,
    Committed,
    Entities,
    Event,
    Heartbeat,
    NewRun,
    Run,
    RunState,
    StepOutcome,
    Task,
)


class Story:
    """
    Lines in the order in which they were told.

    Args:
        now_us: returns the virtual time.
        silent: nobody will want to read it.
    """

    def __init__(self, now_us: Callable[[], int], *, silent: bool) -> None:
        self._now_us = now_us
        self._silent = silent
        self._told: list[tuple[int, str, str, tuple[object, ...]]] = []

    def tell(self, who: str, what: str, *about: object) -> None:
        """Note that something happened; it is put into words when somebody wants to read it."""
        if not self._silent:
            self._told.append((self._now_us(), who, what, about))

    def lines(self) -> list[str]:
        """Return it all."""
        return [
            f"{at_us / 1_000_000:10.4f} s  {who:<10} {' '.join(filter(None, [what, *map(brief, about)]))}".rstrip()
            for at_us, who, what, about in self._told
        ]


class Listener(logging.Handler):
    """
    Tells a story what engines log; what they log as an error is a fault.

    Args:
        story: is told.
        who: returns whose turn it is.
        found: told what is wrong.
    """

    def __init__(self, story: Story, who: Callable[[], str], found: Callable[[str], None]) -> None:
        super().__init__()
        self._story = story
        self._who = who
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        message = _first_line(record.getMessage())
        self._story.tell(self._who(), "logs:", message)
        if record.levelno >= logging.ERROR:
            self._found(f"{self._who()} logs {message!r}{where(record.exc_info[1] if record.exc_info else None)}")


def where(error: BaseException | None) -> str:
    """Return an error and the line that raised it, for the end of a sentence; nothing for none."""
    if error is None:
        return ""
    trace = traceback.extract_tb(error.__traceback__)
    return f": {error!r}" + (f" at {Path(trace[-1].filename).name}:{trace[-1].lineno}" if trace else "")


@functools.singledispatch
def brief(value: object) -> str:
    """Return what matters of a value."""
    return _shortened(str(value))


@brief.register
def _(value: str) -> str:
    return value


@brief.register
def _(value: bytes) -> str:
    return f"{len(value)} bytes"


@brief.register
def _(error: BaseException) -> str:
    return f"{type(error).__name__}: {_first_line(str(error))}"


@brief.register
def _(event: Event) -> str:
    op = f" op {event.op}" if event.op else ""
    attempt = f" attempt {event.attempt}" if event.attempt else ""
    due = f" due {event.due}" if event.due else ""
    name = f" {event.name.rpartition('//')[2]}" if event.name else ""
    return f"{event.type}{op}{name}{attempt}{due}"


@brief.register
def _(_entities: Entities) -> str:
    return ""  # what a commit's author knows is no news


@brief.register
def _(request: ClaimRequest) -> str:
    return f"{request.turns_max} turns, {request.steps_max} steps"


@brief.register
def _(claims: Claims) -> str:
    return (", ".join(map(brief, claims.tasks)) or "nothing") if claims.known else "you are not known"


@brief.register
def _(task: Task) -> str:
    if task.kind == "turn":
        return f"turn of {task.run_id} epoch {task.epoch}"
    return f"step op {task.op} of {task.run_id} attempt {task.attempt} epoch {task.epoch}"


@brief.register
def _(commit: Commit) -> str:
    parts = [f"of {commit.run_id} epoch {commit.epoch} after {commit.expected_head}:"]
    parts += [f"in {brief(event)}" for event in commit.inputs]
    parts += [f"out {brief(event)}" for event in commit.outputs]
    parts += [f"task {task.step_id[-4:]}{' claimed' * task.claimed}" for task in commit.tasks]
    return " ".join([*parts, *["snapshot"] * (commit.snapshot is not None), *["park"] * commit.park])


@brief.register
def _(committed: Committed) -> str:
    foreign = "".join(f" foreign {brief(event)}" for event in committed.foreign)
    return (
        f"{'stored' if committed.stored else 'refused'}, head {committed.head}{', parked' * committed.parked}{foreign}"
    )


@brief.register
def _(outcome: StepOutcome) -> str:
    return f"of {outcome.run_id} epoch {outcome.epoch}: {brief(outcome.event)}"


@brief.register
def _(beat: Heartbeat) -> str:
    return f"{'known' if beat.known else 'not known'}, {len(beat.others)} others, {beat.orphans} orphans"


@brief.register
def _(new: NewRun) -> str:
    return f"{new.workflow} as {new.id}"


@brief.register
def _(run: Run) -> str:
    return f"{run.id} {run.status} head {run.head} epoch {run.epoch}"


@brief.register
def _(state: RunState) -> str:
    cursor = state.snapshot.cursor if state.snapshot else 0
    return f"{brief(state.run)}, snapshot of {cursor}, {len(state.events)} events"


def run_log(run: Run, events: Sequence[Event]) -> list[str]:
    """Return a run's log, for the end of a story."""
    return [f"log of {run.id} ({run.status}):", *(f"  {event.seq:>4} {event.at} {brief(event)}" for event in events)]


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"


def _first_line(text: str) -> str:
    return _shortened(text.partition("\n")[0])
